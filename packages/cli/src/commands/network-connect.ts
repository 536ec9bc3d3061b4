import { list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';

export default defineCommand({
  summary: 'Connect a container to a network',
  arguments: { usage: 'NETWORK CONTAINER', min: 2, max: 2, complete: 'network' },
  flags: {
    alias: list('A further name on the network'),
    ip: text('IPv4 address'),
    ip6: text('IPv6 address'),
  },
  examples: [['network connect --alias db net postgres', 'reachable there as db, too']],
  run: ({ client }, { flags, args }) =>
    client.networks.connect(args[0] as string, args[1] as string, {
      Aliases: flags.alias,
      IPAMConfig: { IPv4Address: flags.ip, IPv6Address: flags.ip6 },
    }),
});
