import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { inspect } from '../inspect.ts';

export default defineCommand({
  summary: 'Show all that is known of images',
  arguments: { usage: 'IMAGE [IMAGE...]', min: 1, complete: 'image' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
  },
  examples: [["image inspect -f '{{json .}}' NAME", 'as JSON in one line']],
  run: (context, { flags, args }) => inspect(context, args, ['image'], { ...flags, size: false }),
});
