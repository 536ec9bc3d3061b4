import { AsyncQueue } from '@slipway/base';
import type { LogEvent } from './writer.ts';

/** A line as whoever follows the log gets it. */
export interface TailedEvent extends LogEvent {
  readonly group: string;
  readonly stream: string;
  readonly ingestedAtMs: number;
}

export interface TailSelection {
  readonly groups: ReadonlySet<string>;
  readonly matches: (event: TailedEvent) => boolean;
}

/** Lines that may wait for a reader; one that is slower loses the oldest, and is told so by a gap. */
const CAPACITY = 10_000;

/** Whoever follows logs as they are written. */
export class Tails {
  readonly #open = new Set<{ readonly selection: TailSelection; readonly queue: AsyncQueue<TailedEvent> }>();

  /** Lines from now on. Ends when its `return` is called, or with the daemon. */
  open(selection: TailSelection): AsyncQueue<TailedEvent> {
    const queue = new AsyncQueue<TailedEvent>({ capacity: CAPACITY, onOverflow: 'drop-oldest' });
    this.#open.add({ selection, queue });
    return queue;
  }

  publish(group: string, stream: string, events: readonly LogEvent[], ingestedAtMs: number): void {
    for (const tail of this.#open) {
      if (tail.queue.ended) {
        this.#open.delete(tail);
        continue;
      }
      if (!tail.selection.groups.has(group)) continue;
      for (const event of events) {
        const tailed = { ...event, group, stream, ingestedAtMs };
        if (tail.selection.matches(tailed)) tail.queue.push(tailed);
      }
    }
  }

  end(): void {
    for (const { queue } of this.#open) queue.end();
    this.#open.clear();
  }
}
