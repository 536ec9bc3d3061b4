import { boolean, filterFlag, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatLabels, formatList, parseFilters } from '../format/list.ts';

const LAYOUT = {
  headings: {
    Name: 'VOLUME NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    Mountpoint: 'MOUNTPOINT',
    Labels: 'LABELS',
  },
  columns: ['Driver', 'Name'],
};

export default defineCommand({
  summary: 'List volumes',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { filter: filterFlag(), format: formatFlag(), quiet: boolean('Only names', { short: 'q' }) },
  examples: [['volume ls --filter dangling=true', 'those that no container uses']],
  async run({ client, stdout }, { flags }) {
    const { Volumes } = await client.volumes.list(parseFilters(flags.filter));
    const volumes = [...(Volumes ?? [])].sort((a, b) => (a.Name < b.Name ? -1 : 1));
    if (flags.quiet && flags.format === '') {
      for (const { Name } of volumes) stdout.write(`${Name}\n`);
      return;
    }
    const rows = volumes.map((volume) => ({
      Name: () => volume.Name,
      Driver: () => volume.Driver,
      Scope: () => volume.Scope,
      Mountpoint: () => volume.Mountpoint,
      Labels: () => formatLabels(volume.Labels),
      labelMap: () => volume.Labels ?? {},
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
