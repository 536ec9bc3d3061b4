import { setTimeout as sleepFor } from 'node:timers/promises';

/** Time, injected so that tests can drive it. The only reader of the system's clock and timers. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  nowMs(): number;
  /** Wall-clock time in nanoseconds since the epoch; strictly increasing within a process. */
  nowNs(): bigint;
  /** Monotonic time in milliseconds, for durations. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /** Calls `run` once after `ms` milliseconds unless disposed; does not keep the process alive. */
  timer(ms: number, run: () => void): Disposable;
  /** Calls `run` every `ms` milliseconds until disposed; does not keep the process alive. */
  interval(ms: number, run: () => void): Disposable;
}

/** How far the two clocks may be apart before the wall clock is believed. */
const DRIFT_NS = 5_000_000n;

const wallNs = (): bigint => BigInt(Date.now()) * 1_000_000n;

class SystemClock implements Clock {
  #lastNs = 0n;
  #originNs = wallNs() - process.hrtime.bigint();

  nowMs(): number {
    return Date.now();
  }

  nowNs(): bigint {
    // The monotonic clock gives the digits below a millisecond; the wall clock corrects it when it was stepped.
    const wall = wallNs();
    let ns = this.#originNs + process.hrtime.bigint();
    if (ns < wall - DRIFT_NS || ns > wall + DRIFT_NS) {
      this.#originNs += wall - ns;
      ns = wall;
    }
    if (ns <= this.#lastNs) ns = this.#lastNs + 1n;
    this.#lastNs = ns;
    return ns;
  }

  monotonicMs(): number {
    return performance.now();
  }

  async sleep(ms: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal });
  }

  timer(ms: number, run: () => void): Disposable {
    const timer = setTimeout(run, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  interval(ms: number, run: () => void): Disposable {
    const timer = setInterval(run, ms).unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

export const systemClock: Clock = new SystemClock();

/** Nanoseconds since the epoch as RFC 3339 with nine digits, in UTC: `2026-01-02T03:04:05.123456789Z`. */
export function formatTimeNs(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const rest = ns % 1_000_000_000n;
  const iso = new Date(Number(seconds) * 1000).toISOString();
  return `${iso.slice(0, 19)}.${rest.toString().padStart(9, '0')}Z`;
}

/** Docker's zero time, which stands for "never". */
export const ZERO_TIME = '0001-01-01T00:00:00Z';
