import { writeArchive } from '../archive-file.ts';
import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';

const FORMATS = ['spdx-json', 'cyclonedx-json'];

export default defineCommand({
  summary: 'List the software that an image holds',
  description: 'A software bill of materials: what dpkg, apk, npm and pip have installed in it.',
  arguments: { usage: 'IMAGE', min: 1, max: 1, complete: 'image' },
  flags: {
    format: text(`Format of the document: ${FORMATS.join(' or ')}`, {
      value: 'format',
      initial: 'spdx-json',
      complete: FORMATS,
    }),
    output: text('File to write instead of standard output', { short: 'o', complete: 'file' }),
  },
  examples: [
    ['image sbom app:1', 'as SPDX'],
    ['image sbom --format cyclonedx-json -o app.cdx.json app:1', 'as CycloneDX, into a file'],
  ],
  async run(context, { flags, args }) {
    const { format } = flags;
    await writeArchive(
      context,
      flags.output,
      await context.client.images.sbom(args[0] as string, { format }),
    );
  },
});
