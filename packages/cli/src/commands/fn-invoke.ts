import { boolean, integer, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { readEvent } from '../functions/event.ts';
import { showResult } from '../functions/result.ts';

export default defineCommand({
  summary: 'Run a function and show what it answers',
  description:
    'The answer is on standard output; the log of the invocation, its time, its memory and the parts of a cold start on the other.',
  arguments: { usage: 'FUNCTION [EVENT]', min: 1, max: 2, complete: 'function' },
  flags: {
    async: boolean('Only hand it over; it runs later, and again when it fails', { short: 'a' }),
    qualifier: text('A version or an alias'),
    cold: boolean('End its environments first, so that this is a cold start'),
    repeat: integer('So many times', { short: 'n', value: 'times' }),
    quiet: boolean('Only the answer', { short: 'q' }),
  },
  examples: [
    ['fn invoke hello \'{"name":"Ada"}\'', 'with an event'],
    ['fn invoke --cold hello @events/order.json', 'from a file, and see what a cold start takes'],
    ['fn invoke --async hello -', 'from standard input, later'],
  ],
  async run(context, { flags, args }) {
    const { functions } = context.client;
    const name = args[0] as string;
    const event = await readEvent(context, args[1] ?? '');
    let failed = false;
    for (let count = 0; count < (flags.repeat ?? 1); count++) {
      if (flags.cold) await functions.endEnvironments(name);
      const invoked = await functions.invoke(name, event, { qualifier: flags.qualifier, async: flags.async });
      if (flags.async) context.stdout.write(`${invoked.requestId}\n`);
      else showResult(context, invoked, flags);
      failed ||= invoked.functionError !== undefined;
    }
    // What went wrong has been shown.
    if (failed) throw new ExitError(1);
  },
});
