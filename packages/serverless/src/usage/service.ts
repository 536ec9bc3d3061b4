import { type Clock, errorMessage, type HostPath, type Logger } from '@slipway/base';
import type { Database } from '@slipway/store';
import { Journal } from './journal.ts';
import type { ProvisionedEntry, UsageEntry, UsageLedger } from './ledger.ts';
import { type UsageDay, type UsageKey, UsageRecords } from './records.ts';
import { add, costOf, NOTHING, type Prices, type Totals, totalsOf, totalsOfProvisioned } from './totals.ts';

export interface UsageServiceOptions {
  readonly database: Database;
  /** The files that hold every invocation. */
  readonly root: HostPath;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: {
    readonly prices: Prices;
    /** How many days' single invocations are kept; days' totals are kept for good. */
    readonly journalDays: number;
    readonly journalMaxBytes: number;
  };
}

/** What rows of usage are about: an empty part stands for all of them. */
export type Grouping = readonly ('day' | 'function' | 'version')[];

export interface UsageRow extends UsageKey {
  readonly totals: Totals;
  /** In the currency of the prices. */
  readonly cost: number;
}

const FLUSH_MS = 500;
const TRIM_MS = 3_600_000;
const MAX_WAITING = 5_000;

/** The ledger: every invocation in a journal, and totals for each day and version. Disposing writes what waits. */
export class UsageService implements UsageLedger, AsyncDisposable {
  readonly prices: Prices;
  readonly #records: UsageRecords;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #trimming: Disposable;
  #entries: UsageEntry[] = [];
  #provisioned: ProvisionedEntry[] = [];
  #flushing: Disposable | undefined;

  constructor({ database, root, clock, logger, settings }: UsageServiceOptions) {
    this.prices = settings.prices;
    this.#records = new UsageRecords(database);
    this.#journal = new Journal(root, { keptDays: settings.journalDays, maxBytes: settings.journalMaxBytes });
    this.#clock = clock;
    this.#logger = logger;
    this.#journal.trim();
    this.#trimming = clock.interval(TRIM_MS, () => this.#journal.trim());
  }

  record(entry: UsageEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length >= MAX_WAITING) this.flush();
    else this.#expectFlush();
  }

  recordProvisioned(entry: ProvisionedEntry): void {
    this.#provisioned.push(entry);
    this.#expectFlush();
  }

  /** Writes what waits. */
  flush(): void {
    this.#flushing?.[Symbol.dispose]();
    this.#flushing = undefined;
    const entries = this.#entries;
    const provisioned = this.#provisioned;
    this.#entries = [];
    this.#provisioned = [];
    if (entries.length === 0 && provisioned.length === 0) return;
    try {
      this.#write(entries, provisioned);
    } catch (error) {
      this.#logger.error(
        { error: errorMessage(error), invocations: entries.length },
        'usage could not be recorded',
      );
    }
  }

  /** Totals of the days from `from` to `to`, both included (`2026-11-28`, UTC). */
  query({ from, to, by }: { from: string; to: string; by: Grouping }): UsageRow[] {
    this.flush();
    const rows = new Map<string, UsageDay>();
    for (const { totals, ...key } of this.#records.list(from, to)) {
      const group: UsageKey = {
        day: by.includes('day') ? key.day : '',
        functionName: by.includes('function') || by.includes('version') ? key.functionName : '',
        version: by.includes('version') ? key.version : '',
      };
      addTo(rows, group, totals);
    }
    return [...rows.values()].map((row) => ({ ...row, cost: costOf(row.totals, this.prices) }));
  }

  /** Every invocation of these days, in the order in which they ended. */
  invocations(from: string, to: string): AsyncGenerator<UsageEntry> {
    this.flush();
    return this.#journal.read(from, to);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trimming[Symbol.dispose]();
    this.flush();
  }

  #expectFlush(): void {
    this.#flushing ??= this.#clock.timer(FLUSH_MS, () => this.flush());
  }

  #write(entries: readonly UsageEntry[], provisioned: readonly ProvisionedEntry[]): void {
    for (const [day, ofDay] of Map.groupBy(entries, ({ atMs }) => dayOf(atMs)))
      this.#journal.append(day, ofDay);
    const rows = new Map<string, UsageDay>();
    for (const entry of entries) addTo(rows, keyOf(entry), totalsOf(entry));
    for (const entry of provisioned) addTo(rows, keyOf(entry), totalsOfProvisioned(entry));
    this.#records.add([...rows.values()]);
  }
}

function addTo(rows: Map<string, UsageDay>, key: UsageKey, totals: Totals): void {
  const id = `${key.day} ${key.functionName} ${key.version}`;
  rows.set(id, { ...key, totals: add(rows.get(id)?.totals ?? NOTHING, totals) });
}

const keyOf = ({ atMs, functionName, version }: UsageEntry | ProvisionedEntry): UsageKey => ({
  day: dayOf(atMs),
  functionName,
  version,
});

/** The day in UTC. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
