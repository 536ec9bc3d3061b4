import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { inspect } from '../inspect.ts';

export default defineCommand({
  summary: 'Show all that is known of networks',
  arguments: { usage: 'NETWORK [NETWORK...]', min: 1, complete: 'network' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
  },
  examples: [["network inspect -f '{{json .}}' NAME", 'as JSON in one line']],
  run: (context, { flags, args }) => inspect(context, args, ['network'], { ...flags, size: false }),
});
