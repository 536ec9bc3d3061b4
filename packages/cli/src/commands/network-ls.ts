import { boolean, filterFlag, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatLabels, formatList, parseFilters } from '../format/list.ts';
import { formatGoTime, shortId } from '../format/units.ts';

const LAYOUT = {
  headings: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    CreatedAt: 'CREATED AT',
  },
  columns: ['ID', 'Name', 'Driver', 'Scope'],
};

export default defineCommand({
  summary: 'List networks',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    filter: filterFlag(),
    format: formatFlag(),
    'no-trunc': boolean('Cut nothing off'),
    quiet: boolean('Only ids', { short: 'q' }),
  },
  examples: [['network ls', 'all of them']],
  async run({ client, stdout }, { flags }) {
    const networks = (await client.networks.list(parseFilters(flags.filter))).sort((a, b) =>
      a.Name < b.Name ? -1 : 1,
    );
    const id = (text: string) => (flags['no-trunc'] ? text : shortId(text));
    if (flags.quiet && flags.format === '') {
      for (const { Id } of networks) stdout.write(`${id(Id)}\n`);
      return;
    }
    const rows = networks.map((network) => ({
      ID: () => id(network.Id),
      Name: () => network.Name,
      Driver: () => network.Driver,
      Scope: () => network.Scope,
      IPv4: () => String(network.EnableIPv4 ?? true),
      IPv6: () => String(network.EnableIPv6),
      Internal: () => String(network.Internal),
      Labels: () => formatLabels(network.Labels),
      CreatedAt: () => formatGoTime(Date.parse(network.Created)),
      labelMap: () => network.Labels ?? {},
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
