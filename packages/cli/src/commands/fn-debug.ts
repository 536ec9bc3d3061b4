import { integer, text } from '../args/flags.ts';
import { defineCommand, ExitError } from '../command.ts';
import { readEvent } from '../functions/event.ts';
import { showResult } from '../functions/result.ts';

const DEFAULT_PORT = 9229;

export default defineCommand({
  summary: 'Run a function under a debugger',
  description:
    "In an environment of its own, which waits until Node's inspector or debugpy is attached to the port, and is stopped for no time-out.",
  arguments: { usage: 'FUNCTION [EVENT]', min: 1, max: 2, complete: 'function' },
  flags: {
    port: integer('Of 127.0.0.1, to attach to (9229)', { value: 'port' }),
    qualifier: text('A version or an alias'),
  },
  examples: [['fn debug hello @events/order.json', 'then attach: node inspect 127.0.0.1:9229, or an editor']],
  async run(context, { flags, args }) {
    const name = args[0] as string;
    const event = await readEvent(context, args[1] ?? '');
    const port = flags.port ?? DEFAULT_PORT;
    context.stderr.write(`Waiting for a debugger on 127.0.0.1:${port}, as: node inspect 127.0.0.1:${port}\n`);
    const invoked = await context.client.functions.debug(name, event, { port, qualifier: flags.qualifier });
    showResult(context, invoked, { quiet: false });
    if (invoked.functionError !== undefined) throw new ExitError(1);
  },
});
