import { boolean, list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { parseSubnets } from '../networks/ipam.ts';
import { parseMap } from '../run/values.ts';

export default defineCommand({
  summary: 'Create a network',
  arguments: { usage: 'NETWORK', min: 1, max: 1 },
  flags: {
    attachable: boolean('Containers may join it by hand'),
    'aux-address': list('Addresses that are taken: NAME=ADDRESS'),
    driver: text('Driver', { short: 'd', initial: 'bridge' }),
    gateway: list('Gateway of a subnet'),
    internal: boolean('No way out'),
    'ip-range': list('Range to give addresses from'),
    ipv6: boolean('Also IPv6'),
    'ipam-driver': text('Driver of addresses', { initial: 'default' }),
    'ipam-opt': list('Option of the driver of addresses'),
    label: list('Set a label'),
    opt: list('Option of the driver', { short: 'o' }),
    subnet: list('Subnet, as in 10.9.0.0/16'),
  },
  examples: [['network create net', 'containers on it reach each other by name: run --network net']],
  async run({ client, stdout, stderr }, { flags, args }) {
    const { Id, Warning } = await client.networks.create({
      Name: args[0],
      CheckDuplicate: true,
      Driver: flags.driver,
      Internal: flags.internal,
      Attachable: flags.attachable,
      EnableIPv6: flags.ipv6,
      IPAM: {
        Driver: flags['ipam-driver'],
        Options: parseMap(flags['ipam-opt']),
        Config: parseSubnets(flags),
      },
      Options: parseMap(flags.opt),
      Labels: parseMap(flags.label),
    });
    if (Warning) stderr.write(`WARNING: ${Warning}\n`);
    stdout.write(`${Id}\n`);
  },
});
