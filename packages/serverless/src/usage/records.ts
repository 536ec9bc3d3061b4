import type { Database } from '@slipway/store';
import { NOTHING, type Totals } from './totals.ts';

/** The columns of the totals, in SQL's names. */
const COLUMNS = {
  invocations: 'invocations',
  errors: 'errors',
  timeouts: 'timeouts',
  throttles: 'throttles',
  coldStarts: 'cold_starts',
  initMs: 'init_ms',
  durationMs: 'duration_ms',
  billedMs: 'billed_ms',
  mbMs: 'mb_ms',
  provisionedMbMs: 'provisioned_mb_ms',
  keptMbMs: 'kept_mb_ms',
  maxMemoryUsedMb: 'max_memory_used_mb',
} as const satisfies Record<keyof Totals, string>;

const MIGRATIONS = [
  `CREATE TABLE usage_days (
     day TEXT NOT NULL,
     function TEXT NOT NULL,
     version TEXT NOT NULL,
     ${Object.values(COLUMNS)
       .map((column) => `${column} REAL NOT NULL`)
       .join(', ')},
     PRIMARY KEY (day, function, version)
   ) STRICT, WITHOUT ROWID`,
];

/** What the totals of one row are about. */
export interface UsageKey {
  /** `2026-11-28`, in UTC. */
  readonly day: string;
  readonly functionName: string;
  readonly version: string;
}

export interface UsageDay extends UsageKey {
  readonly totals: Totals;
}

/** What functions used, a row for each day and version <-> SQL. */
export class UsageRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('usage', MIGRATIONS);
  }

  /** Adds to what there is. A loss of power may take it back. */
  add(rows: readonly UsageDay[]): void {
    const columns = Object.values(COLUMNS);
    const statement = this.#database.prepare(
      `INSERT INTO usage_days (day, function, version, ${columns.join(', ')})
       VALUES (?, ?, ?, ${columns.map(() => '?').join(', ')})
       ON CONFLICT (day, function, version) DO UPDATE SET ${columns.map(merged).join(', ')}`,
    );
    this.#database.relaxed(() => {
      for (const { day, functionName, version, totals } of rows) {
        const values = Object.keys(COLUMNS).map((key) => totals[key as keyof Totals]);
        statement.run(day, functionName, version, ...values);
      }
    });
  }

  /** Days from `from` to `to`, both included. */
  list(from: string, to: string): UsageDay[] {
    return this.#database
      .prepare('SELECT * FROM usage_days WHERE day BETWEEN ? AND ? ORDER BY day, function, version')
      .all(from, to)
      .map((row) => ({
        day: String(row['day']),
        functionName: String(row['function']),
        version: String(row['version']),
        totals: Object.fromEntries(
          Object.keys(NOTHING).map((key) => [key, Number(row[COLUMNS[key as keyof Totals]])]),
        ) as unknown as Totals,
      }));
  }
}

const merged = (column: string): string =>
  column === COLUMNS.maxMemoryUsedMb
    ? `${column} = max(${column}, excluded.${column})`
    : `${column} = ${column} + excluded.${column}`;
