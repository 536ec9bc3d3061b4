import type { Clock } from '@slipway/base';

/** Waits for a change of what it was added for. */
export interface Waker extends Disposable {
  /** Resolves with the first change since it was added, after `ms`, or when `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** Those who wait for a message of a queue. */
export class Wakers implements Disposable {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(queueId: number): Waker {
    const changed = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(queueId) ?? new Set();
    this.#waiting.set(queueId, waiting.add(changed.resolve));
    return {
      wait: async (ms, signal) => {
        using _timer = this.#clock.timer(Math.max(0, ms), changed.resolve);
        const abort = () => changed.resolve();
        signal.addEventListener('abort', abort, { once: true });
        if (signal.aborted) abort();
        await changed.promise;
        signal.removeEventListener('abort', abort);
      },
      [Symbol.dispose]: () => {
        waiting.delete(changed.resolve);
        if (waiting.size === 0 && this.#waiting.get(queueId) === waiting) this.#waiting.delete(queueId);
      },
    };
  }

  wake(queueId: number): void {
    for (const wake of this.#waiting.get(queueId) ?? []) wake();
  }

  [Symbol.dispose](): void {
    for (const queueId of this.#waiting.keys()) this.wake(queueId);
  }
}
