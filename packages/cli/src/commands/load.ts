import { createReadStream } from 'node:fs';
import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { showProgress } from '../stdio/progress.ts';

export default defineCommand({
  summary: 'Load images from an archive',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    input: text('File to read instead of standard input', { short: 'i', complete: 'file' }),
    quiet: boolean('No progress', { short: 'q' }),
    platform: text('Only this platform', { hidden: true }),
  },
  examples: [['load -i images.tar', 'what slipway save or docker save wrote']],
  async run(context, { flags }) {
    if (flags.input === '' && context.stdin.isTTY) {
      throw new ExitError(1, 'requested load from stdin, but stdin is a terminal: name a file with --input');
    }
    const archive =
      flags.input === '' ? context.stdin : createReadStream(flags.input, { highWaterMark: 1 << 20 });
    const messages = await context.client.images.load(archive, {
      quiet: flags.quiet || !context.stdout.isTTY,
    });
    await showProgress(messages, context.stdout);
  },
});
