import { type Clock, SlipwayError } from '@slipway/base';
import type { Database } from '@slipway/store';
import { type FailureRecord, FailureRecords } from './records.ts';

/** Of each function, the newest. */
const KEPT = { count: 100, bytes: 16 * 1024 * 1024 };
/** A function that fails thousands of times a second shall not write as often. */
const FLUSH_MS = 500;

/** The invocations that ended in a function's error, so that they can be looked at and run again. Bounded for each function. */
export class Failures implements Disposable {
  readonly #records: FailureRecords;
  readonly #clock: Clock;
  /** Not yet written, oldest first, of each function. */
  readonly #pending = new Map<string, FailureRecord[]>();
  #timer: Disposable | undefined;

  constructor({ database, clock }: { readonly database: Database; readonly clock: Clock }) {
    this.#records = new FailureRecords(database);
    this.#clock = clock;
  }

  add(record: FailureRecord): void {
    const pending = this.#pending.get(record.functionName) ?? [];
    pending.push(record);
    let bytes = pending.reduce((sum, { payload }) => sum + payload.byteLength, 0);
    while (pending.length > 1 && (pending.length > KEPT.count || bytes > KEPT.bytes)) {
      bytes -= pending.shift()?.payload.byteLength ?? 0;
    }
    this.#pending.set(record.functionName, pending);
    this.#timer ??= this.#clock.timer(FLUSH_MS, () => this.#flush());
  }

  /** Newest first. */
  list(functionName: string): readonly FailureRecord[] {
    this.#flush();
    return this.#records.list(functionName);
  }

  /** @throws NotFound */
  get(requestId: string): FailureRecord {
    this.#flush();
    const record = this.#records.find(requestId);
    if (record !== undefined) return record;
    throw new SlipwayError(
      'NotFound',
      `no failed invocation "${requestId}" is kept; of each function only the newest ${KEPT.count} are`,
    );
  }

  forget(functionName: string): void {
    this.#pending.delete(functionName);
    this.#records.deleteOf(functionName);
  }

  [Symbol.dispose](): void {
    this.#flush();
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    const records = [...this.#pending.values()].flat();
    this.#pending.clear();
    this.#records.add(records, KEPT);
  }
}
