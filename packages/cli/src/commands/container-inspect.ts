import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { inspect } from '../inspect.ts';

export default defineCommand({
  summary: 'Show all that is known of containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
    size: boolean('Also its size', { short: 's' }),
  },
  examples: [["container inspect -f '{{json .}}' NAME", 'as JSON in one line']],
  run: (context, { flags, args }) => inspect(context, args, ['container'], flags),
});
