import { boolean, list } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../each.ts';
import { parseFilters } from '../format/list.ts';
import { formatDeleted, formatReclaimed } from '../format/prune.ts';

export default defineCommand({
  summary: 'Remove what is not used',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    all: boolean('Also unused images with a name', { short: 'a' }),
    filter: list('Only those, e.g. "until=24h"', { value: 'filter' }),
    force: boolean('Do not ask', { short: 'f' }),
    volumes: boolean('Also volumes'),
  },
  examples: [['system prune -f', 'without asking']],
  async run(context, { flags }) {
    const warning = `WARNING! This will remove stopped containers, unused networks, unused images${flags.volumes ? ' and unused volumes' : ''}.`;
    if (!(await confirm(context, warning, flags.force))) return;
    const { client, stdout } = context;
    const filters = parseFilters(flags.filter);
    const replies = [await client.containers.prune(filters), await client.networks.prune(filters)];
    if (flags.volumes) replies.push(await client.volumes.prune(filters));
    replies.push(await client.images.prune({ ...filters, dangling: [String(!flags.all)] }));
    for (const reply of replies) stdout.write(formatDeleted(reply));
    const bytes = replies.reduce((sum, { SpaceReclaimed = 0 }) => sum + SpaceReclaimed, 0);
    stdout.write(formatReclaimed(bytes));
  },
});
