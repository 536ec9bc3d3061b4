import { boolean, filterFlag, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { imageLayout, imageRows } from '../format/image-row.ts';
import { formatList, parseFilters } from '../format/list.ts';
import { shortId } from '../format/units.ts';

export default defineCommand({
  summary: 'List images',
  arguments: { usage: '[REPOSITORY[:TAG]]', min: 0, max: 1, complete: 'image' },
  flags: {
    all: boolean('Also the intermediate ones', { short: 'a' }),
    digests: boolean('Also their digests'),
    filter: filterFlag(),
    format: formatFlag(),
    'no-trunc': boolean('Cut nothing off'),
    quiet: boolean('Only ids', { short: 'q' }),
  },
  examples: [
    ['images', 'all of them'],
    ['images -q --filter dangling=true', 'the ids of those without a name'],
  ],
  async run({ client, clock, stdout }, { flags, args }) {
    const filters = parseFilters(flags.filter);
    if (args[0] !== undefined) filters['reference'] = [args[0]];
    const images = await client.images.list({ all: flags.all, filters });
    const truncate = !flags['no-trunc'];
    if (flags.quiet && flags.format === '') {
      for (const { Id } of images) stdout.write(`${truncate ? shortId(Id) : Id}\n`);
      return;
    }
    const rows = images.flatMap((image) =>
      imageRows(image, { truncate, digests: flags.digests, nowMs: clock.nowMs() }),
    );
    stdout.write(formatList(imageLayout(flags.digests), rows, flags.format));
  },
});
