import { formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { formatAgo, formatSize } from '../format/units.ts';

const LAYOUT = {
  headings: {
    ID: 'ID',
    Type: 'TYPE',
    Size: 'SIZE',
    InUse: 'IN USE',
    UsageCount: 'USES',
    LastUsed: 'LAST USED',
    Description: 'DESCRIPTION',
  },
  columns: ['ID', 'Type', 'Size', 'UsageCount', 'LastUsed', 'Description'],
};

export default defineCommand({
  summary: 'Show what the build cache holds',
  arguments: { usage: '', min: 0, max: 0 },
  flags: { format: formatFlag() },
  examples: [['builder du', 'each step that was kept, and what it takes']],
  async run({ client, clock, stdout }, { flags }) {
    const { BuildCache } = await client.system.diskUsage();
    const rows = (BuildCache ?? []).map((entry) => ({
      ID: () => entry.ID,
      Type: () => entry.Type,
      Size: () => formatSize(entry.Size),
      InUse: () => String(entry.InUse),
      UsageCount: () => String(entry.UsageCount ?? 0),
      LastUsed: () => (entry.LastUsedAt ? formatAgo(Date.parse(entry.LastUsedAt), clock.nowMs()) : ''),
      Description: () => entry.Description ?? '',
    }));
    stdout.write(formatList(LAYOUT, rows, flags.format));
  },
});
