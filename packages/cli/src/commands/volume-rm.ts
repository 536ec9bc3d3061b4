import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Remove volumes',
  arguments: { usage: 'VOLUME [VOLUME...]', min: 1, complete: 'volume' },
  flags: { force: boolean('No error when there is none', { short: 'f' }) },
  examples: [['volume rm data', 'removes it, with what is in it']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => context.client.volumes.remove(name, flags)),
});
