import { boolean, list, text } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../each.ts';
import { parseFilters } from '../format/list.ts';
import { formatReclaimed } from '../format/prune.ts';
import { parseBytes } from '../run/values.ts';

export default defineCommand({
  summary: 'Remove the build cache',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    all: boolean('Also what images and other steps stand on', { short: 'a' }),
    filter: list('Only those, e.g. "unused-for=24h" or "id=ID"', { value: 'filter' }),
    force: boolean('Do not ask', { short: 'f' }),
    'keep-storage': text('Keep this much, as in 10GB', { value: 'bytes' }),
  },
  examples: [['builder prune -f --filter unused-for=168h', 'what no build of the last week has used']],
  async run(context, { flags }) {
    if (!(await confirm(context, 'WARNING! This will remove the build cache.', flags.force))) return;
    const keep = flags['keep-storage'];
    const { CachesDeleted, SpaceReclaimed } = await context.client.builds.prune({
      all: flags.all,
      keepBytes: keep === '' ? undefined : parseBytes(keep),
      filters: parseFilters(flags.filter),
    });
    for (const id of CachesDeleted ?? []) context.stdout.write(`${id}\n`);
    context.stdout.write(formatReclaimed(SpaceReclaimed));
  },
});
