import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '@slipway/base/errors';
import type { UsageRow } from '@slipway/client';
import { formatFlag, text } from '../args/flags.ts';
import { type Context, defineCommand } from '../command.ts';
import { formatList } from '../format/list.ts';

const LAYOUT = {
  headings: {
    Day: 'DAY',
    Function: 'FUNCTION',
    Version: 'VERSION',
    Invocations: 'INVOCATIONS',
    Errors: 'ERRORS',
    Throttles: 'THROTTLES',
    ColdStarts: 'COLD STARTS',
    Billed: 'BILLED',
    GbSeconds: 'GB-SECONDS',
    Memory: 'PEAK MEMORY',
    Cost: 'COST',
  },
  columns: ['Invocations', 'Errors', 'Throttles', 'ColdStarts', 'Billed', 'GbSeconds', 'Memory', 'Cost'],
};

const COLUMN_OF: Readonly<Record<string, string>> = { day: 'Day', function: 'Function', version: 'Version' };

export default defineCommand({
  summary: 'Show what functions used, and what that costs',
  description:
    "This month so far, at the prices that the daemon was given (AWS's, if none). What does not run costs nothing.",
  arguments: { usage: '[FUNCTION]', min: 0, max: 1, complete: 'function' },
  flags: {
    from: text('The first day, as 2026-11-01', { value: 'day' }),
    to: text('The last day', { value: 'day' }),
    by: text('A line for each day, function, version; several with commas', { initial: 'function' }),
    export: text("Every single invocation, as 'csv' or 'jsonl'", { complete: ['csv', 'jsonl'] }),
    format: formatFlag(),
  },
  examples: [
    ['fn usage --by function,day', 'what each used on each day'],
    ['fn usage --from 2026-11-01 --export csv > november.csv', 'every invocation'],
  ],
  async run({ client, stdout, stderr }, { flags, args }) {
    const { from, to } = flags;
    if (flags.export !== '') {
      return await pipeline(await client.usage.invocations({ from, to, format: flags.export }), stdout, {
        end: false,
      });
    }
    const only = args[0];
    const by = flags.by.split(',').map((word) => word.trim());
    const unknown = by.find((word) => COLUMN_OF[word] === undefined);
    if (unknown !== undefined) {
      throw new SlipwayError('InvalidArgument', `--by takes day, function and version, not "${unknown}"`);
    }
    const asked = only === undefined || by.includes('function') ? by : ['function', ...by];
    const report = await client.usage.report({ from, to, by: asked.join(',') });
    const rows = report.rows.filter(({ functionName }) => only === undefined || functionName === only);
    const layout = {
      ...LAYOUT,
      columns: [...asked.map((word) => COLUMN_OF[word] as string), ...LAYOUT.columns],
    };
    stdout.write(
      formatList(
        layout,
        rows.map((row) => fields(row, report.currency)),
        flags.format,
      ),
    );
    if (flags.format !== '') return;
    const idle = await idleFunctions(client, report.rows);
    if (idle.length > 0 && only === undefined && asked.includes('function')) {
      stderr.write(`idle, at no cost: ${idle.join(', ')}\n`);
    }
  },
});

const fields = (row: UsageRow, currency: string) => ({
  Day: () => row.day ?? '',
  Function: () => row.functionName ?? '',
  Version: () => row.version ?? '',
  Invocations: () => String(row.invocations),
  Errors: () => String(row.errors),
  Throttles: () => String(row.throttles),
  ColdStarts: () => String(row.coldStarts),
  Billed: () => `${row.billedMs} ms`,
  GbSeconds: () => (row.gbSeconds + row.provisionedGbSeconds + row.keptGbSeconds).toFixed(3),
  Memory: () => `${row.maxMemoryUsedMb} MB`,
  Cost: () => `${row.cost.toFixed(6)} ${currency}`,
});

async function idleFunctions(client: Context['client'], rows: readonly UsageRow[]): Promise<string[]> {
  const used = new Set(rows.map(({ functionName }) => functionName));
  const all = await Array.fromAsync(client.functions.list());
  return all.map(({ FunctionName = '' }) => FunctionName).filter((name) => !used.has(name));
}
