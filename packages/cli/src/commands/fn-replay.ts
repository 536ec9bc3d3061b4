import { boolean, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { showResult } from '../functions/result.ts';

export default defineCommand({
  summary: 'Run a failed invocation again, with the same event',
  arguments: { usage: 'REQUEST-ID', min: 1, max: 1 },
  flags: {
    print: boolean('Only show the event'),
    on: text('On another function, or another version of it', { value: 'function', complete: 'function' }),
    quiet: boolean('Only the answer', { short: 'q' }),
  },
  examples: [
    ['fn replay 8f2b6f1c-…', 'as it failed, on the code of now'],
    ['fn replay --print 8f2b6f1c-… > events/broken.json', 'keep it as an event for fn test'],
  ],
  async run(context, { flags, args }) {
    const { functions } = context.client;
    const { failure, event } = await functions.failedEvent(args[0] as string);
    if (flags.print) return void context.stdout.write(event);
    const invoked = await functions.invoke(flags.on || failure.functionName, event);
    showResult(context, invoked, flags);
    if (invoked.functionError !== undefined) throw new ExitError(1);
  },
});
