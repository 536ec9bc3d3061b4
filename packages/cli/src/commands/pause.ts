import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Freeze the processes of containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'running' },
  flags: {},
  examples: [['pause web', 'freezes it']],
  run: (context, { args }) => forEachArgument(context, args, (name) => context.client.containers.pause(name)),
});
