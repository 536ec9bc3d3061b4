import { boolean, list } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../each.ts';
import { parseFilters } from '../format/list.ts';
import { formatDeleted, formatReclaimed } from '../format/prune.ts';

export default defineCommand({
  summary: 'Remove all unused volumes',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    all: boolean('Also those with a name', { short: 'a' }),
    filter: list('Only those, e.g. "until=24h"', { value: 'filter' }),
    force: boolean('Do not ask', { short: 'f' }),
  },
  examples: [['volume prune -f', 'without asking']],
  async run(context, { flags }) {
    if (!(await confirm(context, 'WARNING! This will remove volumes that no container uses.', flags.force)))
      return;
    const filters = parseFilters(flags.filter);
    if (flags.all) filters['all'] = ['true'];
    const reply = await context.client.volumes.prune(filters);
    context.stdout.write(formatDeleted(reply) + formatReclaimed(reply.SpaceReclaimed ?? 0));
  },
});
