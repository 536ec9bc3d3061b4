import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList, type ListLayout } from '../format/list.ts';
import { ellipsis, formatAgo, formatSize, shortId } from '../format/units.ts';

const layout = (human: boolean): ListLayout => ({
  headings: {
    ID: 'IMAGE',
    CreatedSince: human ? 'CREATED' : 'CREATED AT',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
  columns: ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'],
});

export default defineCommand({
  summary: 'Show how an image was made',
  arguments: { usage: 'IMAGE', min: 1, max: 1, complete: 'image' },
  flags: {
    format: formatFlag(),
    human: boolean('Sizes and dates as people read them', { short: 'H', initial: true }),
    'no-trunc': boolean('Cut nothing off'),
    quiet: boolean('Only ids', { short: 'q' }),
  },
  examples: [['history --no-trunc busybox', 'its steps, in full']],
  async run({ client, clock, stdout }, { flags, args }) {
    const items = await client.images.history(args[0] as string);
    const truncate = !flags['no-trunc'];
    const id = (text: string) => (truncate ? shortId(text) : text);
    if (flags.quiet && flags.format === '') {
      for (const { Id } of items) stdout.write(`${id(Id)}\n`);
      return;
    }
    const rows = items.map((item) => {
      const at = new Date(item.Created * 1000).toISOString().replace('.000', '');
      const by = item.CreatedBy.replaceAll('\t', ' ');
      return {
        ID: () => id(item.Id),
        CreatedAt: () => at,
        CreatedSince: () => (flags.human ? formatAgo(item.Created * 1000, clock.nowMs()) : at),
        CreatedBy: () => (truncate ? ellipsis(by, 45) : by),
        Size: () => (flags.human ? formatSize(item.Size) : String(item.Size)),
        Comment: () => item.Comment,
      };
    });
    stdout.write(formatList(layout(flags.human), rows, flags.format));
  },
});
