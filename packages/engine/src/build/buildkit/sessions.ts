import { type Clock, SlipwayError } from '@slipway/base';
import type { ClientSession } from './session.ts';

/** A build may name its session before the session's connection has come. */
const WAIT_MS = 10_000;

/** The clients that wait on a session's connection, by its id. */
export class Sessions {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, ClientSession>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Serves a session until its connection ends. */
  async serve(session: ClientSession, signal: AbortSignal): Promise<void> {
    const { id, connection } = session;
    this.#sessions.set(id, session);
    for (const wake of this.#waiting.get(id) ?? []) wake();
    const close = () => connection.close();
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    await connection.closed;
    signal.removeEventListener('abort', close);
    if (this.#sessions.get(id) === session) this.#sessions.delete(id);
  }

  /** @throws NotFound when no session of this id comes */
  async get(id: string, { signal }: { signal: AbortSignal }): Promise<ClientSession> {
    signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<void>();
    const found = this.#sessions.get(id);
    if (found !== undefined) return found;
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(resolve));
    signal.addEventListener('abort', () => resolve(), { once: true });
    using _timer = this.#clock.timer(WAIT_MS, resolve);
    await promise;
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiting.delete(id);
    signal.throwIfAborted();
    const came = this.#sessions.get(id);
    if (came === undefined)
      throw new SlipwayError('NotFound', `no session ${id} is open: the build client closed it`);
    return came;
  }
}
