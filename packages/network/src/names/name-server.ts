import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { type Clock, errorMessage, type Logger } from '@slipway/base';
import { decode, encode, type Packet } from 'dns-packet';
import type { NameTable } from './name-table.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { askUpstream, FrameReader, frame } from './upstream.ts';

const TTL_SECONDS = 600;
const AUTHORITATIVE_AND_RECURSIVE = 0x0400 | 0x0080;
const SERVER_FAILURE = 2;
const MAX_TCP_CLIENTS = 128;
const MAX_PENDING = 512;

export interface NameServerOptions {
  readonly address: string;
  readonly names: NameTable;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether queries for other names leave the network. */
  readonly forwards: boolean;
  readonly port?: number;
  readonly hostResolvConfPath?: string;
}

/** Answers for the containers of one network, at its gateway: their names itself, all others from the host's servers. */
export async function openNameServer(options: NameServerOptions): Promise<AsyncDisposable> {
  const { address, port = 53, logger } = options;
  let pending = 0;
  let closed = false;
  const respond = async (query: Buffer, asked: Asked): Promise<Buffer | undefined> => {
    if (pending >= MAX_PENDING) return undefined;
    pending++;
    try {
      return await answer(query, asked, options);
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, 'a name query was not answered');
      return failure(query);
    } finally {
      pending--;
    }
  };

  await using opening = new AsyncDisposableStack();
  const udp = createSocket('udp4');
  opening.defer(() => {
    closed = true;
    return new Promise<void>((resolve) => udp.close(resolve));
  });
  udp.on('message', async (query, peer) => {
    const reply = await respond(query, { by: peer.address, overTcp: false });
    if (reply !== undefined && !closed) udp.send(reply, peer.port, peer.address, () => {});
  });
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject).bind({ address, port, exclusive: true }, () => resolve());
  });
  udp.on('error', () => {}).unref();

  const clients = new Set<Socket>();
  const tcp = createServer((client) => {
    if (clients.size >= MAX_TCP_CLIENTS) return void client.destroy();
    clients.add(client);
    const reader = new FrameReader();
    const by = client.remoteAddress ?? '';
    client.setTimeout(10_000, () => client.destroy()).on('error', () => {});
    client
      .on('close', () => clients.delete(client))
      .on('data', async (bytes: Buffer) => {
        for (const query of reader.push(bytes)) {
          const reply = await respond(query, { by, overTcp: true });
          if (reply !== undefined && client.writable) client.write(frame(reply));
        }
      });
  });
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject).listen({ host: address, port: udp.address().port }, () => resolve());
  });
  tcp.on('error', () => {}).unref();
  opening.defer(async () => {
    for (const client of clients) client.destroy();
    await new Promise<void>((resolve) => tcp.close(() => resolve()));
  });
  return opening.move();
}

interface Asked {
  /** The asker's address. */
  readonly by: string;
  readonly overTcp: boolean;
}

async function answer(query: Buffer, { by, overTcp }: Asked, options: NameServerOptions): Promise<Buffer> {
  const packet = decode(query);
  const client = options.names.findClient(by);
  for (const names of [options.names, ...(client?.others ?? [])]) {
    const own = answerOwn(packet, names);
    if (own !== undefined) return own;
  }
  if (!options.forwards) return encode({ ...reply(packet), flags: AUTHORITATIVE_AND_RECURSIVE | 3 });
  const { hostResolvConfPath = '/etc/resolv.conf', clock } = options;
  const given = client?.nameServers ?? [];
  const { nameServers } =
    given.length > 0
      ? { nameServers: given }
      : parseResolvConf(await readFile(hostResolvConfPath, 'utf8').catch(() => ''));
  const servers = nameServers.filter((server) => server !== options.address);
  // A truncated answer goes on as it is: the client asks again over TCP.
  return await askUpstream(query, servers, { clock, overTcp });
}

/** The answer for a name or address of this network; undefined for all others. */
function answerOwn(packet: Packet, names: NameTable): Buffer | undefined {
  const [question] = packet.questions ?? [];
  if (question === undefined) return undefined;
  if (question.type === 'PTR') {
    const name = names.nameOf(addressOfPointer(question.name));
    if (name === undefined) return undefined;
    return encode({
      ...reply(packet),
      answers: [{ type: 'PTR', name: question.name, ttl: TTL_SECONDS, data: name }],
    });
  }
  const addresses = names.find(question.name);
  if (addresses === undefined) return undefined;
  return encode({
    ...reply(packet),
    // A known name without an address of the asked type has an empty answer, not NXDOMAIN: that would hide the other type.
    answers:
      question.type === 'A'
        ? addresses.map((data) => ({ type: 'A' as const, name: question.name, ttl: TTL_SECONDS, data }))
        : [],
  });
}

const reply = (packet: Packet): Packet => ({
  type: 'response',
  id: packet.id ?? 0,
  flags: AUTHORITATIVE_AND_RECURSIVE | ((packet.flags ?? 0) & 0x0100),
  questions: packet.questions ?? [],
});

function failure(query: Buffer): Buffer | undefined {
  if (query.length < 12) return undefined;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8080 | SERVER_FAILURE, 2);
  return header;
}

/** `2.0.17.172.in-addr.arpa` is 172.17.0.2. */
const addressOfPointer = (name: string): string =>
  name
    .toLowerCase()
    .replace(/\.?in-addr\.arpa\.?$/, '')
    .split('.')
    .reverse()
    .join('.');
