import { type Clock, SlipwayError } from '@slipway/base';
import { json, type Route, stream } from '@slipway/http';
import type { UsageEntry } from './ledger.ts';
import { dayOf, type Grouping, type UsageRow, type UsageService } from './service.ts';
import { gbSeconds } from './totals.ts';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const GROUPS: readonly string[] = ['day', 'function', 'version'];
const COLUMNS = [
  'atMs',
  'requestId',
  'functionName',
  'version',
  'outcome',
  'durationMs',
  'billedMs',
  'memoryMb',
  'maxMemoryUsedMb',
  'initMs',
  'isProvisioned',
] as const satisfies readonly (keyof UsageEntry)[];

/**
 * `GET /slipway/usage?from=2026-11-01&to=2026-11-30&by=function,day`: totals and what they cost;
 * `GET /slipway/usage/invocations?…&format=csv|jsonl`: every invocation.
 */
export function usageRoutes(usage: UsageService, clock: Clock): Route[] {
  return [
    {
      method: 'GET',
      path: '/slipway/usage',
      handler: ({ query }) => {
        const { from, to } = readDays(query, clock);
        const rows = usage.query({ from, to, by: readGrouping(query.get('by') ?? 'function') });
        return json(200, {
          from,
          to,
          currency: usage.prices.currency,
          prices: usage.prices,
          rows: rows.map(toWire),
        });
      },
    },
    {
      method: 'GET',
      path: '/slipway/usage/invocations',
      handler: ({ query }) => {
        const { from, to } = readDays(query, clock);
        const format = query.get('format') ?? 'jsonl';
        if (format !== 'csv' && format !== 'jsonl') {
          throw new SlipwayError('InvalidArgument', `format must be csv or jsonl, not "${format}"`);
        }
        const entries = usage.invocations(from, to);
        return format === 'csv'
          ? stream(200, 'text/csv', csvLines(entries))
          : stream(200, 'application/jsonl', jsonLines(entries));
      },
    },
  ];
}

/** This month so far, unless something else is asked for. */
function readDays(query: URLSearchParams, clock: Clock): { from: string; to: string } {
  const today = dayOf(clock.nowMs());
  const from = query.get('from') ?? `${today.slice(0, 8)}01`;
  const to = query.get('to') ?? today;
  for (const day of [from, to]) {
    if (!DAY.test(day))
      throw new SlipwayError('InvalidArgument', `a day must be as 2026-11-28, not "${day}"`);
  }
  return { from, to };
}

function readGrouping(text: string): Grouping {
  const parts = text.split(',').filter((part) => part !== '');
  const unknown = parts.find((part) => !GROUPS.includes(part));
  if (unknown !== undefined) {
    throw new SlipwayError('InvalidArgument', `by must name some of ${GROUPS.join(', ')}, not "${unknown}"`);
  }
  return parts as unknown as Grouping;
}

const toWire = ({ day, functionName, version, totals, cost }: UsageRow) => {
  const { mbMs, provisionedMbMs, keptMbMs, ...counts } = totals;
  return {
    ...(day === '' ? {} : { day }),
    ...(functionName === '' ? {} : { functionName }),
    ...(version === '' ? {} : { version }),
    ...counts,
    gbSeconds: gbSeconds(mbMs),
    provisionedGbSeconds: gbSeconds(provisionedMbMs),
    keptGbSeconds: gbSeconds(keptMbMs),
    cost,
  };
};

async function* jsonLines(entries: AsyncIterable<UsageEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${JSON.stringify(entry)}\n`;
}

/** Function names and versions hold nothing that CSV would have to quote. */
async function* csvLines(entries: AsyncIterable<UsageEntry>): AsyncGenerator<string> {
  yield `${COLUMNS.join(',')}\n`;
  for await (const entry of entries)
    yield `${COLUMNS.map((column) => String(entry[column] ?? '')).join(',')}\n`;
}
