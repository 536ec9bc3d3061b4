import { boolean, formatFlag, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { type InspectedType, inspect } from '../inspect.ts';

const TYPES: readonly InspectedType[] = ['container', 'image', 'network', 'volume'];

export default defineCommand({
  summary: 'Show all that is known of objects',
  arguments: { usage: 'OBJECT [OBJECT...]', min: 1, complete: 'container' },
  flags: {
    format: { ...formatFlag(), short: 'f' },
    size: boolean('Also its size', { short: 's' }),
    type: text('Only of this type', { complete: ['container', 'image', 'network', 'volume'] }),
  },
  examples: [["inspect -f '{{json .}}' NAME", 'as JSON in one line']],
  run: (context, { flags, args }) => {
    const types = flags.type === '' ? TYPES : TYPES.filter((type) => type === flags.type);
    if (types.length === 0)
      throw new ExitError(1, `"${flags.type}" is not a valid value for --type: ${TYPES.join(', ')} are`);
    return inspect(context, args, types, flags);
  },
});
