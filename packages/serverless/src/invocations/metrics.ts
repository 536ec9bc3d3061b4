import type { ColdStart } from '../environments/index.ts';
import type { InvokeResult } from './invoker.ts';

/** What a function did since the daemon started. */
export interface FunctionMetrics {
  readonly functionName: string;
  readonly invocations: number;
  readonly errors: number;
  readonly throttles: number;
  readonly coldStarts: number;
  /** Of all cold starts together, by part. */
  readonly coldStartMs: ColdStart;
  readonly durationMs: number;
  /** The most that ran at the same time. */
  readonly maxConcurrency: number;
}

type Counters = { -readonly [K in keyof Omit<FunctionMetrics, 'functionName' | 'coldStartMs'>]: number } & {
  readonly coldStartMs: { -readonly [K in keyof ColdStart]: number };
};

/** Functions beyond these are not counted: names are the callers' to choose. */
const MAX_FUNCTIONS = 10_000;

/** Counts what functions do, in memory. */
export class InvocationMetrics {
  readonly #functions = new Map<string, Counters>();

  began(functionName: string, concurrency: number): void {
    const counters = this.#of(functionName);
    counters.invocations += 1;
    counters.maxConcurrency = Math.max(counters.maxConcurrency, concurrency);
  }

  ended(functionName: string, { functionError, coldStart, report }: InvokeResult): void {
    const counters = this.#of(functionName);
    counters.durationMs += report.durationMs;
    if (functionError !== undefined) counters.errors += 1;
    if (coldStart === undefined) return;
    counters.coldStarts += 1;
    counters.coldStartMs.placeMs += coldStart.placeMs;
    counters.coldStartMs.startMs += coldStart.startMs;
    counters.coldStartMs.initMs += coldStart.initMs;
  }

  throttled(functionName: string): void {
    this.#of(functionName).throttles += 1;
  }

  list(): readonly FunctionMetrics[] {
    return [...this.#functions].map(([functionName, counters]) => ({ functionName, ...counters }));
  }

  forget(functionName: string): void {
    this.#functions.delete(functionName);
  }

  #of(functionName: string): Counters {
    let counters = this.#functions.get(functionName);
    if (counters === undefined) {
      counters = {
        invocations: 0,
        errors: 0,
        throttles: 0,
        coldStarts: 0,
        coldStartMs: { placeMs: 0, startMs: 0, initMs: 0 },
        durationMs: 0,
        maxConcurrency: 0,
      };
      if (this.#functions.size < MAX_FUNCTIONS) this.#functions.set(functionName, counters);
    }
    return counters;
  }
}
