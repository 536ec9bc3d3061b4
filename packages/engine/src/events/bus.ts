import { AsyncQueue, type Clock } from '@slipway/base';

/** Something that happened to a noun. `attributes` carry what Docker's event of that name carries. */
export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'builder';
  readonly action: string;
  /** The noun's id (a volume's name). */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNs: bigint;
}

export type EventInput = Omit<EngineEvent, 'timeNs'>;

export interface Subscription extends AsyncDisposable {
  /** What happened before, oldest first, as far as the history reaches; complete with `live`, nothing twice. */
  readonly history: readonly EngineEvent[];
  readonly live: AsyncIterable<EngineEvent>;
}

const HISTORY = 1024;
const SUBSCRIBER_BACKLOG = 4096;

/**
 * Tells everybody who asks what happened by itself. The only way that news travels upward.
 * A subscriber that falls 4,096 events behind is cut off with ResourceExhausted.
 */
export class EventBus {
  readonly #clock: Clock;
  readonly #history: EngineEvent[] = [];
  readonly #queues = new Set<AsyncQueue<EngineEvent>>();
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  publish(input: EventInput): void {
    const event: EngineEvent = { ...input, timeNs: this.#clock.nowNs() };
    this.#history.push(event);
    if (this.#history.length > HISTORY) this.#history.shift();
    for (const queue of this.#queues) queue.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** History and live events, taken in one step. */
  subscribe(): Subscription {
    const queue = new AsyncQueue<EngineEvent>({ capacity: SUBSCRIBER_BACKLOG, onOverflow: 'fail' });
    this.#queues.add(queue);
    return {
      history: [...this.#history],
      live: queue,
      [Symbol.asyncDispose]: async () => {
        this.#queues.delete(queue);
        queue.end();
      },
    };
  }

  /** Subscriptions that were not disposed. */
  get subscriptionCount(): number {
    return this.#queues.size;
  }

  /** Calls `listener` synchronously for each event. It must not throw. */
  listen(listener: (event: EngineEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
