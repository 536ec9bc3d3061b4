import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Let frozen containers go on',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {},
  examples: [['unpause web', 'lets it go on']],
  run: (context, { args }) =>
    forEachArgument(context, args, (name) => context.client.containers.unpause(name)),
});
