import { integer, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { forEachArgument } from '../each.ts';

export default defineCommand({
  summary: 'Stop containers and start them again',
  arguments: { usage: 'CONTAINER [CONTAINER...]', min: 1, complete: 'container' },
  flags: {
    signal: text('Signal to send to it', { short: 's' }),
    timeout: integer('Seconds to wait before it is killed', { short: 't' }),
    time: integer('Seconds to wait before it is killed', { hidden: true }),
  },
  examples: [['restart web', 'stops and starts it']],
  run: (context, { flags, args }) =>
    forEachArgument(context, args, (name) =>
      context.client.containers.restart(name, {
        signal: flags.signal || undefined,
        timeoutSeconds: flags.timeout ?? flags.time,
      }),
    ),
});
