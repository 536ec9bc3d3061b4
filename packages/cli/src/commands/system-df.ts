import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatSize } from '../format/units.ts';

const LAYOUT = {
  headings: { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' },
  columns: ['Type', 'TotalCount', 'Active', 'Size', 'Reclaimable'],
};

export default defineCommand({
  summary: 'Show what takes up the disk',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag() },
  examples: [['system df', 'images, containers and volumes']],
  async run({ client, stdout }, { flags }) {
    const usage = await client.system.diskUsage();
    const images = usage.Images ?? [];
    const containers = usage.Containers ?? [];
    const volumes = usage.Volumes ?? [];
    const row = (
      type: string,
      sizes: readonly { readonly bytes: number; readonly active: boolean }[],
      total?: number,
    ) => {
      const sum = (of: typeof sizes) => of.reduce((all, { bytes }) => all + Math.max(0, bytes), 0);
      const size = total ?? sum(sizes);
      const reclaimable = Math.max(0, size - sum(sizes.filter(({ active }) => active)));
      const percent = size === 0 ? '' : ` (${Math.floor((reclaimable / size) * 100)}%)`;
      return {
        Type: () => type,
        TotalCount: () => String(sizes.length),
        Active: () => String(sizes.filter(({ active }) => active).length),
        Size: () => formatSize(size, 4),
        Reclaimable: () => `${formatSize(reclaimable, 4)}${percent}`,
      };
    };
    const rows = [
      row(
        'Images',
        images.map(({ Size, Containers }) => ({ bytes: Size, active: Containers > 0 })),
        usage.LayersSize,
      ),
      row(
        'Containers',
        containers.map(({ SizeRw = 0, State }) => ({
          bytes: SizeRw,
          active: ['running', 'paused', 'restarting'].includes(State),
        })),
      ),
      row(
        'Local Volumes',
        volumes.map(({ UsageData }) => ({
          bytes: UsageData?.Size ?? 0,
          active: (UsageData?.RefCount ?? 0) > 0,
        })),
      ),
      row(
        'Build Cache',
        (usage.BuildCache ?? []).map(({ Size, InUse }) => ({ bytes: Size, active: InUse })),
      ),
    ];
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
