import { nextTurn } from './async.ts';
import type { Clock } from './clock.ts';

interface Waiter {
  readonly atMs: number;
  readonly run: () => void;
}

/** A clock that stands still until a test advances it. For tests only. */
export class VirtualClock implements Clock {
  #nowMs: number;
  #waiters: Waiter[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  nowNs(): bigint {
    return BigInt(this.#nowMs) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  async sleep(ms: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    using _timer = this.timer(ms, resolve);
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  timer(ms: number, run: () => void): Disposable {
    const waiter = { atMs: this.#nowMs + Math.max(0, ms), run };
    this.#waiters.push(waiter);
    return {
      [Symbol.dispose]: () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
      },
    };
  }

  interval(ms: number, run: () => void): Disposable {
    let next: Disposable;
    const again = () => {
      next = this.timer(ms, again);
      run();
    };
    next = this.timer(ms, again);
    return { [Symbol.dispose]: () => next[Symbol.dispose]() };
  }

  /** Moves on by `ms`, running what falls due in its order, and lets what that started go as far as it can. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = this.#waiters.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#waiters = this.#waiters.filter((other) => other !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

const TURNS = 12;

/** Lets promises and immediates run until nothing that does not wait for a clock or for input is likely left. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await nextTurn();
}
