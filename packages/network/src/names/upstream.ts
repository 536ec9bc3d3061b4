import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type Clock, SlipwayError } from '@slipway/base';

const TIMEOUT_MS = 3_000;

/**
 * Asks the servers in turn; the first that answers counts. Queries and answers are DNS messages as they are on the wire.
 * @throws Unavailable when none answered
 */
export async function askUpstream(
  query: Buffer,
  servers: readonly string[],
  { clock, overTcp }: { clock: Clock; overTcp: boolean },
): Promise<Buffer> {
  let cause: unknown;
  for (const server of servers) {
    try {
      if (overTcp) return await overStream(query, server, clock);
      return await overDatagram(query, server, clock);
    } catch (error) {
      cause = error;
    }
  }
  throw new SlipwayError('Unavailable', `no name server answered (${servers.join(', ') || 'none known'})`, {
    cause,
  });
}

function overDatagram(query: Buffer, server: string, clock: Clock): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4');
  const timer = clock.timer(TIMEOUT_MS, () =>
    reject(new Error(`${server} did not answer in ${TIMEOUT_MS} ms`)),
  );
  socket.on('error', reject).on('message', (answer) => {
    if (answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) resolve(answer);
  });
  // A connected socket hears only this server, and hears at once that nobody listens there.
  socket.connect(53, server, () => socket.send(query));
  return promise.finally(() => {
    timer[Symbol.dispose]();
    socket.close();
  });
}

function overStream(query: Buffer, server: string, clock: Clock): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect({ host: server, port: 53 });
  const timer = clock.timer(TIMEOUT_MS, () =>
    reject(new Error(`${server} did not answer in ${TIMEOUT_MS} ms`)),
  );
  const reader = new FrameReader();
  socket
    .on('connect', () => socket.write(frame(query)))
    .on('data', (bytes: Buffer) => {
      const [answer] = reader.push(bytes);
      if (answer !== undefined) resolve(answer);
    })
    .on('error', reject)
    .on('close', () => reject(new Error(`${server} closed the connection`)));
  return promise.finally(() => {
    timer[Symbol.dispose]();
    socket.destroy();
  });
}

/** DNS over TCP puts the length, two bytes, before each message. @see RFC 1035 section 4.2.2 */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

export class FrameReader {
  #rest = Buffer.alloc(0);

  /** The messages that are complete with these bytes. */
  push(bytes: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const messages: Buffer[] = [];
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) break;
      messages.push(this.#rest.subarray(2, end));
      this.#rest = this.#rest.subarray(end);
    }
    return messages;
  }
}
