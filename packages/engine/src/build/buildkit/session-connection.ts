import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { SlipwayError } from '@slipway/base';
import { grpcError } from './codes.ts';
import { frame, unframe } from './frames.ts';
import { messageType } from './messages.ts';

/** Values that are lists travel as repeated headers: joined by commas a client would take them for one. */
export type Metadata = Readonly<Record<string, string | readonly string[]>>;

/** Enough for a context's files to keep coming while this side writes them. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/** One call with messages both ways. Disposing cancels it unless it has ended. */
export interface Call extends Disposable {
  /** Resolves when there is room for more. */
  send(message: object): Promise<void>;
  /** Nothing more will be sent. */
  endSending(): void;
  // biome-ignore lint/suspicious/noExplicitAny: as messageType
  readonly messages: AsyncIterable<any>;
  /** Settles with the call's status. @throws the error that the client's status means */
  readonly done: Promise<void>;
}

/** The gRPC server that a build's client is, over the connection that it gave away with `POST /session`. */
export class SessionConnection {
  readonly #http2: ClientHttp2Session;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;

  constructor(socket: Duplex) {
    this.#http2 = connect('http://session', {
      createConnection: () => socket,
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    this.#http2.on('error', () => {});
    // The server's sockets may be half open; HTTP/2 has no use for one that is.
    socket.once('end', () => this.#http2.destroy());
    this.#http2.on('connect', () => this.#http2.setLocalWindowSize(WINDOW_BYTES * 2));
    this.closed = new Promise((resolve) => this.#http2.once('close', resolve));
  }

  close(): void {
    this.#http2.destroy();
  }

  /** A call with one request and one response. @throws the error that the client's status means */
  async unary(
    method: string,
    [requestType, request]: readonly [string, object],
    responseType: string,
    { signal }: { signal: AbortSignal },
    // biome-ignore lint/suspicious/noExplicitAny: as messageType
  ): Promise<any> {
    using call = this.open(method, [requestType, responseType], {}, { signal });
    await call.send(request);
    call.endSending();
    let response: unknown;
    for await (const message of call.messages) response ??= message;
    await call.done;
    return response ?? messageType(responseType).decode(new Uint8Array());
  }

  /** Opens a call whose messages are of these types. @throws Unavailable when the client is gone */
  open(
    method: string,
    [sentType, receivedType]: readonly [string, string],
    metadata: Metadata,
    { signal }: { signal: AbortSignal },
  ): Call {
    if (this.#http2.closed || this.#http2.destroyed) throw clientGone();
    const stream = this.#http2.request({
      ':method': 'POST',
      ':path': `/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(metadata as Record<string, string | string[]>),
    });
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener('abort', cancel, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', cancel));
    if (signal.aborted) cancel();
    const done = statusOf(stream, signal);
    done.catch(() => {});
    const sent = messageType(sentType);
    const received = messageType(receivedType);
    return {
      send: async (message) => {
        if (stream.destroyed || stream.closed) return await done;
        if (!stream.write(frame(sent.encode(message)))) await roomIn(stream);
      },
      endSending: () => stream.end(),
      messages: (async function* () {
        for await (const bytes of unframe(chunksOf(stream))) yield received.decode(bytes);
      })(),
      done,
      [Symbol.dispose]: () => stream.close(constants.NGHTTP2_CANCEL),
    };
  }
}

/** Ends without an error where the stream breaks off: the status tells why. */
async function* chunksOf(stream: ClientHttp2Stream): AsyncGenerator<Buffer> {
  try {
    yield* stream.iterator({ destroyOnReturn: false });
  } catch {}
}

async function roomIn(stream: ClientHttp2Stream): Promise<void> {
  const stop = new AbortController();
  try {
    await Promise.race([
      once(stream, 'drain', { signal: stop.signal }),
      once(stream, 'close', { signal: stop.signal }),
    ]).catch(() => {});
  } finally {
    stop.abort();
  }
}

/** Of the trailers, or of the headers where nothing else came. */
function statusOf(stream: ClientHttp2Stream, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const read = (headers: Record<string, unknown>) => {
    const status = headers['grpc-status'];
    if (status === undefined) return;
    if (status === '0') resolve();
    else reject(grpcError(Number(status), decodeURIComponent(String(headers['grpc-message'] ?? ''))));
  };
  stream.once('response', read);
  stream.once('trailers', read);
  stream.on('error', () => {});
  stream.once('close', () => reject(signal.aborted ? signal.reason : clientGone()));
  return promise;
}

const clientGone = () => new SlipwayError('Unavailable', 'the build client closed its session');
