import { boolean, formatFlag } from '../args/flags.ts';
import { type Context, defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';
import { STATS_LAYOUT, statsRow } from '../format/stats-row.ts';
import { shortId } from '../format/units.ts';
import { StatsBoard } from '../stats-board.ts';

const REDRAW_MS = 500;

export default defineCommand({
  summary: 'Show what containers use of the machine',
  arguments: { usage: '[CONTAINER...]', min: 0, complete: 'running' },
  flags: {
    all: boolean('Also those that do not run', { short: 'a' }),
    format: formatFlag(),
    'no-stream': boolean('Once, not again and again'),
    'no-trunc': boolean('Cut nothing off'),
  },
  examples: [
    ['stats', 'a table that follows all that run, and what starts meanwhile'],
    ['stats --no-stream', 'once, for all that run'],
  ],
  async run(context, { flags, args }) {
    const options = { ...flags, truncate: !flags['no-trunc'] };
    if (flags['no-stream']) await showOnce(context, args, options);
    else await follow(context, args, options);
  },
});

interface Options {
  readonly all: boolean;
  readonly format: string;
  readonly truncate: boolean;
}

async function showOnce({ client, stdout }: Context, args: readonly string[], options: Options) {
  const names =
    args.length > 0
      ? args
      : (await client.containers.list({ all: options.all })).map(({ Id }) => shortId(Id));
  const rows = await Promise.all(
    names.map(async (name) => {
      const stats = await (await client.containers.stats(name, { stream: false })).next();
      return stats.done ? [] : [statsRow(name, stats.value, options.truncate)];
    }),
  );
  stdout.write(formatList(STATS_LAYOUT, rows.flat(), options.format));
}

/** Ends when the containers that were named are gone; without names, when the daemon is. */
async function follow(context: Context, args: readonly string[], options: Options): Promise<void> {
  const board = new StatsBoard(context.client, options.truncate);
  if (args.length > 0) {
    await Promise.all(args.map((name) => board.open(name)));
    return draw(context, board, options.format);
  }
  const { ended } = await board.openAll(options.all);
  await Promise.race([draw(context, board, options.format), ended]);
}

/** Over and over in the same place of a terminal, one below the other elsewhere. */
async function draw({ stdout, clock }: Context, board: StatsBoard, format: string): Promise<void> {
  if (stdout.isTTY) stdout.write('\x1b[2J');
  while (!board.isClosed) {
    const table = formatList(STATS_LAYOUT, board.rows, format);
    stdout.write(stdout.isTTY ? `\x1b[H${table.replaceAll('\n', '\x1b[K\n')}\x1b[J` : table);
    await clock.sleep(REDRAW_MS);
  }
}
