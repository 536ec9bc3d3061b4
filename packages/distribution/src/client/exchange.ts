import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { type Clock, errorMessage, isErrno, isSlipwayError, SlipwayError } from '@slipway/base';
import {
  type ConnectionFailure,
  connectionError,
  displayUrl,
  type HttpRequest,
  type HttpResponse,
  type StreamedBody,
} from './http.ts';
import { Watchdog } from './watchdog.ts';

// Not through the ES module face of node:http: see packages/http, node-http.ts.
const http = process.getBuiltinModule('node:http');

/** How long is waited, in milliseconds. */
export interface Limits {
  readonly connectTimeoutMs: number;
  /** Silence after which a connection counts as dead. */
  readonly stallTimeoutMs: number;
  /** Ends all that is under way. */
  readonly disposal: AbortSignal;
}

/** Bytes of a body that may wait for their reader before the socket is paused. */
const READ_AHEAD_BYTES = 1024 * 1024;
/** A body this small is read away to keep its connection; a larger one costs more than a new connection. */
const DRAIN_MAX_BYTES = 64 * 1024;

/**
 * Sends one request over a connection of the agent.
 * @throws Unavailable with a `ConnectionFailure` as reason; the signal's reason; what the request's body threw
 */
export function exchange(
  request: HttpRequest,
  agent: Agent,
  limits: Limits,
  clock: Clock,
): Promise<HttpResponse> {
  request.signal?.throwIfAborted();
  limits.disposal.throwIfAborted();
  return new Exchange(request, agent, limits, clock).response;
}

class Exchange {
  readonly response: Promise<HttpResponse>;
  readonly #request: HttpRequest;
  readonly #limits: Limits;
  readonly #outgoing: ClientRequest;
  readonly #watchdog: Watchdog;
  readonly #answered = Promise.withResolvers<HttpResponse>();
  #connectTimer: Disposable | undefined;
  #incoming: IncomingMessage | undefined;
  #phase: 'connecting' | 'securing' | 'open' = 'connecting';
  #failure: unknown;
  readonly #abort = (event: Event) => this.#fail((event.target as AbortSignal).reason);

  constructor(request: HttpRequest, agent: Agent, limits: Limits, clock: Clock) {
    this.#request = request;
    this.#limits = limits;
    this.response = this.#answered.promise;
    const { url, method, body } = request;
    const sizeBytes = body instanceof Uint8Array ? body.byteLength : body?.sizeBytes;
    const headers: Record<string, string> = { ...request.headers };
    if (sizeBytes !== undefined) headers['content-length'] = String(sizeBytes);
    else if (method === 'POST' || method === 'PUT' || method === 'PATCH') headers['content-length'] = '0';
    const module = url.protocol === 'https:' ? process.getBuiltinModule('node:https') : http;
    this.#outgoing = module.request(url, { method, headers, agent });
    this.#watchdog = new Watchdog(clock, () =>
      this.#fail(this.#error('STALLED', `sent nothing for ${limits.stallTimeoutMs} ms`)),
    );
    for (const signal of [request.signal, limits.disposal]) signal?.addEventListener('abort', this.#abort);
    this.#listen(clock);
    if (body === undefined || body instanceof Uint8Array) this.#outgoing.end(body);
    else void this.#writeStream(body);
  }

  #listen(clock: Clock): void {
    const outgoing = this.#outgoing;
    outgoing.once('socket', (socket) => {
      const opened = () => {
        this.#phase = 'open';
        this.#connectTimer?.[Symbol.dispose]();
        if (outgoing.writableEnded) this.#awaitAnswer();
        else if (outgoing.writableNeedDrain) this.#watchdog.arm(this.#limits.stallTimeoutMs);
      };
      const isTls = this.#request.url.protocol === 'https:';
      // One that was used before, or that a proxy's tunnel was built for, is handed over ready.
      const isSecured = !isTls || (socket as TLSSocket).getPeerFinished() !== undefined;
      if (!socket.connecting && isSecured) return opened();
      if (!socket.connecting) this.#phase = 'securing';
      this.#connectTimer = clock.timer(this.#limits.connectTimeoutMs, () =>
        this.#fail(
          this.#error('CONNECT_TIMEOUT', `did not answer within ${this.#limits.connectTimeoutMs} ms`),
        ),
      );
      socket.once('connect', () => {
        this.#phase = 'securing';
        if (!isTls) opened();
      });
      socket.once('secureConnect', opened);
    });
    outgoing.on('error', (error) => this.#fail(this.#explain(error)));
    outgoing.once('response', (incoming) => this.#answer(incoming));
    outgoing.once('close', () => {
      this.#answered.reject(this.#failure ?? this.#error('CONNECTION_LOST', 'closed the connection'));
      if (this.#incoming === undefined) this.#release();
    });
  }

  /** From here on the other side has the word. */
  #awaitAnswer(): void {
    if (this.#incoming === undefined && this.#phase === 'open')
      this.#watchdog.arm(this.#request.answerWithinMs ?? this.#limits.stallTimeoutMs);
  }

  async #writeStream({ sizeBytes, open }: StreamedBody): Promise<void> {
    const outgoing = this.#outgoing;
    let writtenBytes = 0;
    try {
      for await (const chunk of open()) {
        // An answer before the end is a refusal: what is left is not wanted.
        if (this.#incoming !== undefined || outgoing.destroyed) return;
        writtenBytes += chunk.byteLength;
        if (writtenBytes > sizeBytes) break;
        if (outgoing.write(chunk)) continue;
        if (this.#phase === 'open') this.#watchdog.arm(this.#limits.stallTimeoutMs);
        await this.#writable();
        this.#watchdog.rest();
      }
      if (this.#incoming !== undefined || outgoing.destroyed) return;
      if (writtenBytes !== sizeBytes) {
        throw new SlipwayError(
          'DataLoss',
          `what is to be sent to ${displayUrl(this.#request.url)} has ${writtenBytes > sizeBytes ? 'more' : 'fewer'} than the ${sizeBytes} bytes it should have`,
        );
      }
      outgoing.end();
      this.#awaitAnswer();
    } catch (error) {
      this.#fail(error);
    }
  }

  #writable(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = () => {
      for (const event of EVENTS_THAT_END_A_WAIT) this.#outgoing.off(event, done);
      resolve();
    };
    for (const event of EVENTS_THAT_END_A_WAIT) this.#outgoing.once(event, done);
    return promise;
  }

  #answer(incoming: IncomingMessage): void {
    this.#incoming = incoming;
    this.#watchdog.rest();
    incoming.on('error', (error) => this.#fail(this.#explainCut(error)));
    incoming.once('close', () => this.#release());
    incoming.once('end', () => {
      if (!this.#outgoing.writableEnded) this.#outgoing.destroy();
    });
    this.#answered.resolve({
      status: incoming.statusCode ?? 0,
      headers: incoming.headers,
      url: this.#request.url,
      body: this.#read(incoming),
      discard: () => this.#discard(incoming),
    });
  }

  /** Flowing and by hand: the stream's own iterator joins the chunks that wait, which copies them. */
  async *#read(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
    const waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    let ended = false;
    let wake: (() => void) | undefined;
    incoming.on('data', (chunk: Buffer) => {
      waiting.push(chunk);
      waitingBytes += chunk.byteLength;
      if (waitingBytes >= READ_AHEAD_BYTES) incoming.pause();
      wake?.();
    });
    incoming.once('end', () => {
      ended = true;
      wake?.();
    });
    incoming.once('close', () => wake?.());
    try {
      for (;;) {
        for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
          waitingBytes -= chunk.byteLength;
          if (waitingBytes < READ_AHEAD_BYTES / 2 && incoming.isPaused()) incoming.resume();
          yield chunk;
        }
        if (ended) return;
        if (this.#failure !== undefined) throw this.#failure;
        if (incoming.closed) throw this.#error('CONNECTION_LOST', CUT_WITHIN_ANSWER);
        this.#watchdog.arm(this.#limits.stallTimeoutMs);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
        this.#watchdog.rest();
      }
    } finally {
      if (!ended) incoming.destroy();
    }
  }

  #discard(incoming: IncomingMessage): void {
    const length = Number(incoming.headers['content-length'] ?? Number.NaN);
    const isEmpty = this.#request.method === 'HEAD' || incoming.statusCode === 204;
    if (this.#outgoing.writableEnded && (isEmpty || length <= DRAIN_MAX_BYTES)) {
      this.#watchdog.arm(this.#limits.stallTimeoutMs);
      incoming.resume();
    } else {
      incoming.destroy();
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#answered.reject(this.#failure);
    const stream = this.#incoming ?? this.#outgoing;
    if (!stream.destroyed) stream.destroy(error instanceof Error ? error : undefined);
  }

  #release(): void {
    this.#watchdog[Symbol.dispose]();
    this.#connectTimer?.[Symbol.dispose]();
    for (const signal of [this.#request.signal, this.#limits.disposal]) {
      signal?.removeEventListener('abort', this.#abort);
    }
  }

  #explain(error: Error): unknown {
    if (this.#failure !== undefined || isSlipwayError(error)) return error;
    const failure = this.#phase === 'open' ? 'CONNECTION_LOST' : connectFailure(error, this.#phase);
    return this.#error(failure, systemMessage(error), error);
  }

  /** Node says `aborted` of an answer that was cut. */
  #explainCut(error: Error): unknown {
    return isErrno(error, 'ECONNRESET') && this.#failure === undefined
      ? this.#error('CONNECTION_LOST', CUT_WITHIN_ANSWER, error)
      : this.#explain(error);
  }

  #error(failure: ConnectionFailure, what: string, cause?: unknown): SlipwayError {
    return connectionError(
      failure,
      `${this.#request.method} ${displayUrl(this.#request.url)}: ${what}`,
      cause,
    );
  }
}

/** A name with several addresses fails with all their errors, and no message of its own. */
const systemMessage = (error: Error): string =>
  error instanceof AggregateError && error.errors.length > 0
    ? error.errors.map(errorMessage).join(', ')
    : errorMessage(error);

const CUT_WITHIN_ANSWER = 'closed the connection within its answer';
const EVENTS_THAT_END_A_WAIT = ['drain', 'response', 'close'] as const;

function connectFailure(error: Error, phase: 'connecting' | 'securing'): ConnectionFailure {
  if (phase === 'securing') return 'TLS_FAILED';
  return isErrno(error, 'ETIMEDOUT') ? 'CONNECT_TIMEOUT' : 'CONNECT_FAILED';
}
