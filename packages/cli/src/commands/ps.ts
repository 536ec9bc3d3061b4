import { boolean, filterFlag, formatFlag, integer } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { containerLayout, containerRow } from '../format/container-row.ts';
import { formatList, parseFilters } from '../format/list.ts';
import { shortId } from '../format/units.ts';

export default defineCommand({
  summary: 'List containers',
  arguments: { usage: '', min: 0, max: 0 },
  flags: {
    all: boolean('Also those that do not run', { short: 'a' }),
    filter: filterFlag(),
    format: formatFlag(),
    last: integer('The n last created, whatever their state', { short: 'n' }),
    latest: boolean('The last created, whatever its state', { short: 'l' }),
    'no-trunc': boolean('Cut nothing off'),
    quiet: boolean('Only ids', { short: 'q' }),
    size: boolean('Also their sizes', { short: 's' }),
  },
  examples: [
    ['ps', 'those that run'],
    ['ps -a --filter status=exited', 'those that have exited'],
    ["ps --format 'table {{.Names}}\\t{{.Ports}}'", 'only names and ports'],
  ],
  async run({ client, clock, stdout }, { flags }) {
    const limit = flags.latest ? 1 : flags.last;
    const containers = await client.containers.list({
      all: flags.all,
      ...(limit === undefined ? {} : { limit }),
      size: flags.size || flags.format.includes('.Size'),
      filters: parseFilters(flags.filter),
    });
    const truncate = !flags['no-trunc'];
    if (flags.quiet && flags.format === '') {
      for (const { Id } of containers) stdout.write(`${truncate ? shortId(Id) : Id}\n`);
      return;
    }
    const rows = containers.map((container) => containerRow(container, { truncate, nowMs: clock.nowMs() }));
    stdout.write(formatList(containerLayout(flags.size), rows, flags.format));
  },
});
