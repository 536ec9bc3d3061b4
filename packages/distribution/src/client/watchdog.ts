import type { Clock } from '@slipway/base';

/**
 * Tells when nothing has happened for too long. It counts only while it is armed, so that a reader who takes his time
 * is not taken for a silent sender. A byte costs a reading of the clock, not a timer.
 */
export class Watchdog implements Disposable {
  readonly #clock: Clock;
  readonly #onSilence: () => void;
  #limitMs = 0;
  #sinceMs = 0;
  #armed = false;
  #timer: Disposable | undefined;

  constructor(clock: Clock, onSilence: () => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** Something happened; from now on at most `limitMs` may pass until it is said again. */
  arm(limitMs: number): void {
    this.#sinceMs = this.#clock.monotonicMs();
    this.#armed = true;
    const isSooner = limitMs < this.#limitMs;
    this.#limitMs = limitMs;
    if (this.#timer !== undefined && !isSooner) return;
    this.#timer?.[Symbol.dispose]();
    this.#schedule(limitMs);
  }

  /** Nothing is waited for. */
  rest(): void {
    this.#armed = false;
  }

  #schedule(ms: number): void {
    this.#timer = this.#clock.timer(ms, () => {
      this.#timer = undefined;
      if (!this.#armed) return;
      const leftMs = this.#sinceMs + this.#limitMs - this.#clock.monotonicMs();
      if (leftMs > 0) this.#schedule(leftMs);
      else this.#onSilence();
    });
  }

  [Symbol.dispose](): void {
    this.#armed = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
