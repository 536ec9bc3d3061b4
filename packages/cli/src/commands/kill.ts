import { text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Send a signal to running containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'running' },
  flags: { signal: text('Signal', { short: 's', initial: 'KILL' }) },
  examples: [
    ['kill web', 'ends it at once'],
    ['kill -s HUP web', 'sends SIGHUP'],
  ],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) => context.client.containers.kill(name, flags.signal)),
});
