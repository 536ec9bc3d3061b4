import { boolean, list } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../each.ts';
import { parseFilters } from '../format/list.ts';
import { formatDeleted } from '../format/prune.ts';

export default defineCommand({
  summary: 'Remove all unused networks',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    filter: list('Only those, e.g. "until=24h"', { value: 'filter' }),
    force: boolean('Do not ask', { short: 'f' }),
  },
  examples: [['network prune -f', 'without asking']],
  async run(context, { flags }) {
    if (
      !(await confirm(context, 'WARNING! This will remove all networks that no container uses.', flags.force))
    )
      return;
    const filters = parseFilters(flags.filter);

    const reply = await context.client.networks.prune(filters);
    context.stdout.write(formatDeleted(reply));
  },
});
