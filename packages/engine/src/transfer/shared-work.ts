import type { ProgressMessage } from '@slipway/api/docker';
import { AsyncQueue, aborted } from '@slipway/base';
import type { Report } from '../images/index.ts';

/** Progress is throttled at its source, so this is far more than a slow reader can fall behind. */
const BACKLOG = 100_000;

interface Flight {
  readonly queues: Set<AsyncQueue<ProgressMessage>>;
  /** What somebody who joins late must have heard: of each layer the latest, of the rest all. */
  readonly told: Map<string, ProgressMessage>;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** Work that whoever asks for the same shares, each with all of its progress. It stops when nobody reads any more. */
export class SharedWork implements AsyncDisposable {
  readonly #flights = new Map<string, Flight>();

  /**
   * Joins the work of this key, or begins it. Resolves with its messages once there is one; they end as the work ends.
   * @throws what the work throws before its first message
   */
  async join(
    key: string,
    work: (report: Report, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<AsyncIterableIterator<ProgressMessage>> {
    for (let dying = this.#flights.get(key); dying?.stop.signal.aborted; dying = this.#flights.get(key)) {
      await dying.done;
    }
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#launch(key, work);
    const queue = new AsyncQueue<ProgressMessage>({ capacity: BACKLOG, onOverflow: 'fail' });
    for (const message of flight.told.values()) queue.push(message);
    flight.queues.add(queue);
    const leave = async () => {
      flight.queues.delete(queue);
      queue.end(signal.reason);
      if (flight.queues.size > 0) return;
      flight.stop.abort(new Error('nobody reads the progress any more'));
      await flight.done;
    };
    void aborted(signal).then(leave);
    try {
      const first = await queue.next();
      return messages(first, queue, leave);
    } catch (error) {
      await leave();
      throw error;
    }
  }

  #launch(key: string, work: (report: Report, signal: AbortSignal) => Promise<void>): Flight {
    const queues = new Set<AsyncQueue<ProgressMessage>>();
    const told = new Map<string, ProgressMessage>();
    const stop = new AbortController();
    const report: Report = (message) => {
      // A layer keeps its place in the order, whatever is said of it.
      told.set(message.id ?? `#${told.size}`, message);
      for (const queue of queues) queue.push(message);
    };
    const end = (error?: unknown) => {
      this.#flights.delete(key);
      for (const queue of queues) queue.end(error);
    };
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const flight = { queues, told, stop, done };
    this.#flights.set(key, flight);
    void work(report, stop.signal)
      .then(() => end(), end)
      .then(resolve);
    return flight;
  }

  /** Stops all of it, and waits until it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    const flights = [...this.#flights.values()];
    for (const { stop } of flights) stop.abort(new Error('the engine is stopping'));
    await Promise.all(flights.map(({ done }) => done));
  }
}

/** The messages, for a reader that may go at any time: a generator that was not begun would not hear that it went. */
function messages(
  first: IteratorResult<ProgressMessage>,
  rest: AsyncQueue<ProgressMessage>,
  leave: () => Promise<void>,
): AsyncIterableIterator<ProgressMessage> {
  let pending: IteratorResult<ProgressMessage> | undefined = first;
  return {
    async next() {
      const result = pending ?? (await rest.next());
      pending = undefined;
      if (result.done) await leave();
      return result;
    },
    async return() {
      pending = undefined;
      await leave();
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
