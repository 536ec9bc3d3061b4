import { SlipwayError } from './errors.ts';

/** A promise with its resolvers outside. */
export type Deferred<T> = PromiseWithResolvers<T>;

/** Runs the tasks that share a key one after another, and tasks of different keys side by side. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    using _held = await this.acquire(key);
    return await task();
  }

  /** Waits for the key and holds it until disposed. */
  async acquire(key: string): Promise<Disposable> {
    const before = this.#tails.get(key);
    const mine = Promise.withResolvers<void>();
    const tail = (before ?? Promise.resolve()).then(() => mine.promise);
    this.#tails.set(key, tail);
    await before;
    return {
      [Symbol.dispose]: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
        mine.resolve();
      },
    };
  }
}

export interface QueueOptions {
  /** Items (or their weight) that may wait before `onOverflow` applies. */
  readonly capacity: number;
  /** `drop-oldest` forgets the oldest; `fail` ends the queue with ResourceExhausted; `wait` is for `pushWhenRoom`. */
  readonly onOverflow: 'drop-oldest' | 'fail' | 'wait';
  /** What one item counts; 1 by default. */
  readonly weigh?: (item: never) => number;
}

/** A bounded queue between one or more writers and one reader, which reads it as an AsyncIterable. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #options: QueueOptions;
  #weight = 0;
  #ended = false;
  #error: unknown;
  #reader: Deferred<void> | undefined;
  #room: Deferred<void> | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Adds an item, or applies the overflow policy. After the end it does nothing. */
  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#weight += this.#weigh(item);
    while (this.#weight > this.#options.capacity && this.#items.length > 1) {
      if (this.#options.onOverflow === 'wait') break;
      if (this.#options.onOverflow === 'fail') {
        this.end(new SlipwayError('ResourceExhausted', 'a reader fell too far behind and was cut off'));
        return;
      }
      const dropped = this.#items.shift() as T;
      this.#weight -= this.#weigh(dropped);
    }
    this.#wakeReader();
  }

  /** Adds an item, then waits until the reader has made room. */
  async pushWhenRoom(item: T): Promise<void> {
    this.push(item);
    while (!this.#ended && this.#weight > this.#options.capacity) {
      this.#room ??= Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }

  /** No more items come. The reader gets what waits, then the end, or `error`. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wakeReader();
    this.#wakeWriters();
  }

  async next(): Promise<IteratorResult<T>> {
    for (;;) {
      if (this.#items.length > 0) {
        const value = this.#items.shift() as T;
        this.#weight -= this.#weigh(value);
        if (this.#weight <= this.#options.capacity) this.#wakeWriters();
        return { value, done: false };
      }
      if (this.#ended) {
        const error = this.#error;
        this.#error = undefined;
        if (error !== undefined) throw error;
        return { value: undefined, done: true };
      }
      this.#reader ??= Promise.withResolvers<void>();
      await this.#reader.promise;
    }
  }

  async return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.#weight = 0;
    this.#error = undefined;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #weigh(item: T): number {
    return this.#options.weigh === undefined ? 1 : this.#options.weigh(item as never);
  }

  #wakeReader(): void {
    this.#reader?.resolve();
    this.#reader = undefined;
  }

  #wakeWriters(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

/** Everything an iterable yields, in one buffer of at most `maxBytes`; past that it throws ResourceExhausted. */
export async function collectBytes(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      throw new SlipwayError('ResourceExhausted', `the body is larger than the ${maxBytes} bytes allowed`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}

/** Runs `work` over `items`, at most `limit` at once, results in the order of the items. The first error wins. */
export async function mapConcurrent<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Resolves when the signal aborts; at once when it already has. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** What `work` comes to, or the signal's reason once it aborts, when nobody waits for `work` any more. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const abort = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    // First, so that an abort of before counts.
    return await Promise.race([stopped.promise, work]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Lets whoever waits for this thread have it, in the middle of long synchronous work. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
