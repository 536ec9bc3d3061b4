import { writeArchive } from '../archive-file.ts';
import { text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';

export default defineCommand({
  summary: "Write a container's file system as a tar archive",
  arguments: { usage: 'CONTAINER', min: 1, max: 1, complete: 'container' },
  flags: { output: text('File to write instead of standard output', { short: 'o', complete: 'file' }) },
  examples: [['export -o root.tar web', 'all its files']],
  async run(context, { flags, args }) {
    if (flags.output === '' && context.stdout.isTTY) {
      throw new ExitError(
        1,
        'cowardly refusing to save to a terminal: name a file with --output, or redirect',
      );
    }
    await writeArchive(context, flags.output, await context.client.containers.export(args[0] as string));
  },
});
