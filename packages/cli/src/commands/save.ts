import { writeArchive } from '../archive-file.ts';
import { text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: 'Save images to an archive',
  arguments: { usage: 'IMAGE [IMAGE...]', min: 1, complete: 'image' },
  flags: {
    output: text('File to write instead of standard output', { short: 'o', complete: 'file' }),
    platform: text('Only this platform', { hidden: true }),
  },
  examples: [['save -o images.tar busybox', 'to carry it to another machine: slipway load']],
  async run(context, { flags, args }) {
    if (flags.output === '' && context.stdout.isTTY) {
      throw new ExitError(
        1,
        'cowardly refusing to save to a terminal: name a file with --output, or redirect',
      );
    }
    await writeArchive(context, flags.output, await context.client.images.save(args));
  },
});
