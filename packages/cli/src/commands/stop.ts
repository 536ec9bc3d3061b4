import { integer, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Stop running containers',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'running' },
  flags: {
    signal: text('Signal to send to it', { short: 's' }),
    timeout: integer('Seconds to wait before it is killed', { short: 't' }),
    time: integer('Seconds to wait before it is killed', { hidden: true }),
  },
  examples: [['stop -t 3 web', 'asks it, and kills it after three seconds']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) =>
      context.client.containers.stop(name, {
        signal: flags.signal || undefined,
        timeoutSeconds: flags.timeout ?? flags.time,
      }),
    ),
});
