import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Remove functions, with their versions, aliases and URLs',
  description: 'Their logs and what they used stay.',
  arguments: { usage: 'FUNCTION [FUNCTION...]', min: 1, complete: 'function' },
  flags: { qualifier: text('Only this version') },
  examples: [['fn rm hello', 'with all of its versions']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => context.client.functions.remove(name, flags.qualifier)),
});
