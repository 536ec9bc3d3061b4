import { boolean, formatFlag } from '../args/flags.ts';
import { defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { STATS_LAYOUT, statsRow } from '../format/stats-row.ts';

export default defineCommand({
  summary: 'Show what containers use of the machine',
  arguments: { usage: '[CONTAINER...]', min: 0, complete: 'running' },
  flags: {
    all: boolean('Also those that do not run', { short: 'a' }),
    format: formatFlag(),
    'no-stream': boolean('Once, not again and again'),
    'no-trunc': boolean('Cut nothing off'),
  },
  examples: [['stats --no-stream', 'once, for all that run']],
  async run({ client, stdout, clock }, { flags, args }) {
    for (;;) {
      const names =
        args.length > 0 ? args : (await client.containers.list({ all: flags.all })).map(({ Id }) => Id);
      const rows = await Promise.all(
        names.map(async (name) => {
          const stats = await (await client.containers.stats(name, { stream: false })).next();
          if (stats.done) throw new Error(`no statistics of ${name}`);
          return statsRow(name, stats.value, !flags['no-trunc']);
        }),
      );
      if (!flags['no-stream'] && stdout.isTTY) stdout.write('\x1b[2J\x1b[H');
      stdout.write(formatList(STATS_LAYOUT, rows, flags.format));
      if (flags['no-stream']) return;
      await clock.sleep(500);
    }
  },
});
