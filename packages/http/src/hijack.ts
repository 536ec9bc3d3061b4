import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import type { Clock } from '@slipway/base';
import { eitherOf } from './either-of.ts';
import type { Headers, HijackedConnection, HijackReply } from './reply.ts';

/** How long a client may take to read the end of a hijacked connection and close its side. */
const LINGER_MS = 2_000;
/** How often it is looked whether a client is still there. */
const LOOK_MS = 5_000;
const NOTHING = new Uint8Array();

export interface HijackContext {
  readonly clock: Clock;
  readonly headers: Headers;
  /** Aborts when the client is gone entirely. */
  readonly signal: AbortSignal;
}

/** The client asked to upgrade to `protocol`: `101 UPGRADED`, and from there the socket is the stream, both ways. */
export async function hijackSocket(
  socket: Duplex,
  protocol: string,
  reply: HijackReply,
  context: HijackContext,
): Promise<void> {
  socket.write(upgradeHead(protocol, reply.contentType, context.headers));
  try {
    // HTTP/2 has the socket to itself, and reads it all the time.
    using _watch = protocol === 'h2c' ? undefined : watchClient(socket, context.clock);
    await reply.serve({ ...connectionOf(socket, socket, context.signal), socket });
  } finally {
    await endSocket(socket, context.clock);
  }
}

/** The client did not ask to upgrade: `200`, its body is the input, and output goes on until the connection is closed. */
export async function hijackResponse(
  request: IncomingMessage,
  response: ServerResponse,
  reply: HijackReply,
  context: HijackContext,
): Promise<void> {
  response.useChunkedEncodingByDefault = false;
  response.shouldKeepAlive = false;
  response.writeHead(200, { ...(context.headers as object), 'Content-Type': reply.contentType });
  response.flushHeaders();
  try {
    await reply.serve(connectionOf(request, response, context.signal));
  } finally {
    response.end();
  }
}

/**
 * A client that went looks like one that only ended its input, as docker's does at once where it has none, until it is
 * written to; and a container may be silent for days. A write of nothing reaches nobody, and fails when nobody is there:
 * the socket is closed by that.
 */
function watchClient(socket: Duplex, clock: Clock): Disposable {
  return clock.interval(LOOK_MS, () => {
    if (socket.writable && socket.writableLength === 0) socket.write(NOTHING);
  });
}

function connectionOf(
  input: { iterator: Duplex['iterator'] },
  output: Writable,
  signal: AbortSignal,
): HijackedConnection {
  return {
    input: { [Symbol.asyncIterator]: () => untilGone(input.iterator({ destroyOnReturn: false })) },
    write: (bytes) => writeOrDrop(output, bytes),
    signal,
  };
}

/** A client that goes without a word has ended its input. */
async function* untilGone(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch {}
}

const ROOM = Promise.resolve();

function writeOrDrop(output: Writable, bytes: Uint8Array): Promise<void> {
  if (output.destroyed || output.writableEnded || output.write(bytes)) return ROOM;
  return eitherOf(output, 'drain', 'close');
}

/** Ends our side, reads what still comes (closing over unread input would reset the connection), then closes. */
export async function endSocket(socket: Duplex, clock: Clock): Promise<void> {
  if (socket.destroyed) return;
  socket.end();
  socket.resume();
  if (!socket.writableFinished) await eitherOf(socket, 'finish', 'close');
  if (!socket.readableEnded && !socket.destroyed) {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.timer(LINGER_MS, resolve);
    await Promise.race([promise, eitherOf(socket, 'end', 'close')]);
  }
  socket.destroy();
}

function upgradeHead(protocol: string, contentType: string, headers: Headers): string {
  const lines = [
    'HTTP/1.1 101 UPGRADED',
    `Content-Type: ${contentType}`,
    'Connection: Upgrade',
    `Upgrade: ${protocol}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}
