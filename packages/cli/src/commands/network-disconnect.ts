import { boolean } from '../args/flags.ts';
import { defineCommand } from '../command.ts';

export default defineCommand({
  summary: 'Disconnect a container from a network',
  arguments: { usage: 'NETWORK CONTAINER', min: 2, max: 2, complete: 'network' },
  flags: { force: boolean('Even when it cannot be asked', { short: 'f' }) },
  examples: [['network disconnect net web', 'takes it off']],
  run: ({ client }, { flags, args }) =>
    client.networks.disconnect(args[0] as string, args[1] as string, flags),
});
