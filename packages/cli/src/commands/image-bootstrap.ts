import { boolean, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { showProgress } from '../stdio/progress.ts';

export default defineCommand({
  summary: 'Make a first image without a registry',
  description:
    "busybox comes from the machine's busybox-static package, debian:SUITE from the Debian mirror that the machine uses.",
  arguments: {
    usage: 'busybox|debian:SUITE',
    min: 1,
    max: 1,
    complete: ['busybox', 'debian:bookworm', 'debian:trixie'],
  },
  flags: {
    tag: text('Name of the image, instead of its own'),
    quiet: boolean('Only its id', { short: 'q' }),
  },
  examples: [
    ['image bootstrap busybox', 'two megabytes, in a second'],
    ['image bootstrap debian:bookworm --tag base:1', 'Debian 12, called base:1'],
  ],
  async run({ client, stdout }, { flags, args }) {
    const messages = await client.images.bootstrap({ image: args[0] as string, tag: flags.tag });
    const values = await showProgress(messages, stdout, { quiet: flags.quiet });
    if (!flags.quiet) return;
    for (const value of values) if (value instanceof Object && 'ID' in value) stdout.write(`${value.ID}\n`);
  },
});
