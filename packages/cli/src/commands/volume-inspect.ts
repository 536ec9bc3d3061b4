import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { inspect } from '../inspect.ts';

export default defineCommand({
  summary: 'Show all that is known of volumes',
  arguments: { usage: 'VOLUME [VOLUME...]', min: 1, complete: 'volume' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
  },
  examples: [["volume inspect -f '{{json .}}' NAME", 'as JSON in one line']],
  run: (context, { flags, args }) => inspect(context, args, ['volume'], { ...flags, size: false }),
});
