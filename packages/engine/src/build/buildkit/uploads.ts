import { type Clock, SlipwayError } from '@slipway/base';

/** The request that brings a context and the one that builds it come in any order. */
const WAIT_MS = 30_000;

interface Meeting {
  readonly body: PromiseWithResolvers<AsyncIterable<Uint8Array>>;
  readonly read: PromiseWithResolvers<void>;
}

/** Contexts that clients send with a request of their own, by the build that they are for. */
export class Uploads {
  readonly #clock: Clock;
  readonly #meetings = new Map<string, Meeting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Holds a body for a build; resolves when it was read. @throws DeadlineExceeded when no build comes */
  async offer(id: string, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const meeting = this.#meet(id);
    meeting.body.resolve(body);
    await this.#within(meeting.read, signal, `no build ${id} came for the context that was sent`);
  }

  /** The body that was sent for a build. @throws DeadlineExceeded when none comes */
  async *take(id: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const meeting = this.#meet(id);
    try {
      yield* await this.#within(meeting.body, signal, `no context was sent for build ${id}`);
    } finally {
      this.#meetings.delete(id);
      meeting.read.resolve();
    }
  }

  #meet(id: string): Meeting {
    let meeting = this.#meetings.get(id);
    if (meeting === undefined) {
      meeting = { body: Promise.withResolvers(), read: Promise.withResolvers() };
      meeting.body.promise.catch(() => {});
      meeting.read.promise.catch(() => {});
      this.#meetings.set(id, meeting);
    }
    return meeting;
  }

  async #within<T>(
    { promise, reject }: PromiseWithResolvers<T>,
    signal: AbortSignal,
    late: string,
  ): Promise<T> {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    using _timer = this.#clock.timer(WAIT_MS, () => reject(new SlipwayError('DeadlineExceeded', late)));
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}
