import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Server } from 'node:net';
import { isErrno, type Random, SlipwayError } from '@slipway/base';
import type { PortRequest, PublishedPort } from './network.ts';

/** What a refusal names: Docker's clients match on the words. */
export interface PortOwner {
  readonly containerId: string;
  readonly containerName: string;
  readonly endpointId: string;
}

const EPHEMERAL = { first: 32_768, last: 60_999 } as const;

/**
 * Holds the ports that are published on this host, each by a bound socket, so that nobody else can take it.
 * TCP connections that reach the socket (over IPv6) are relayed; those over IPv4 are translated by the firewall.
 */
export class PublishedPorts implements AsyncDisposable {
  readonly #random: Random;
  readonly #held = new Map<string, AsyncDisposable>();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * Takes all the ports or none.
   * @throws Conflict reason PORT_IN_USE
   */
  async take(
    requests: readonly PortRequest[],
    target: { ip: string; hostBindingIp: string },
    owner: PortOwner,
  ): Promise<PublishedPort[]> {
    const taken: PublishedPort[] = [];
    try {
      for (const request of requests) {
        taken.push(...(await this.#takeOne(request, target, owner, new Set(requests.flatMap(fixedPort)))));
      }
    } catch (error) {
      await this.release(taken);
      throw error;
    }
    return taken;
  }

  /** Takes the known ports of a running container again, but for those that somebody else has now. */
  async takeBack(
    ports: readonly PublishedPort[],
    containerIp: string,
  ): Promise<{ held: PublishedPort[]; lost: { port: PublishedPort; cause: unknown }[] }> {
    const held: PublishedPort[] = [];
    const lost: { port: PublishedPort; cause: unknown }[] = [];
    for (const port of ports) {
      try {
        if (await this.#hold(port, containerIp)) held.push(port);
      } catch (cause) {
        lost.push({ port, cause });
      }
    }
    return { held, lost };
  }

  async release(ports: readonly PublishedPort[]): Promise<void> {
    const holders = ports.map(keyOf).map((key) => {
      const holder = this.#held.get(key);
      this.#held.delete(key);
      return holder;
    });
    await Promise.all(holders.map((holder) => holder?.[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const holders = [...this.#held.values()];
    this.#held.clear();
    await Promise.all(holders.map((holder) => holder[Symbol.asyncDispose]()));
  }

  async #takeOne(
    { protocol, containerPort, hostIp, hostPort: range }: PortRequest,
    { ip, hostBindingIp }: { ip: string; hostBindingIp: string },
    owner: PortOwner,
    fixed: ReadonlySet<number>,
  ): Promise<PublishedPort[]> {
    const address = hostIp || hostBindingIp;
    const both = (hostIp === '' && hostBindingIp === '0.0.0.0') || hostIp === '::';
    const addresses = both && hostIp === '' ? ['0.0.0.0', '::'] : [address];
    let refusal: unknown;
    for (const hostPort of this.#candidates(range, fixed)) {
      const ports = addresses.map((each) => ({ protocol, containerPort, hostIp: each, hostPort }));
      try {
        return await this.#holdAll(ports, ip);
      } catch (error) {
        if (!isBusy(error)) throw error;
        refusal = error;
      }
    }
    throw this.#inUse(
      { protocol, containerPort, hostIp: address, hostPort: range.first },
      range,
      owner,
      refusal,
    );
  }

  *#candidates({ first, last }: PortRequest['hostPort'], fixed: ReadonlySet<number>): Generator<number> {
    if (first !== 0) {
      for (let port = first; port <= last; port++) yield port;
      return;
    }
    const count = EPHEMERAL.last - EPHEMERAL.first + 1;
    const start = this.#random.below(count);
    for (let step = 0; step < count; step++) {
      const port = EPHEMERAL.first + ((start + step) % count);
      if (!fixed.has(port)) yield port;
    }
  }

  async #holdAll(ports: readonly PublishedPort[], containerIp: string): Promise<PublishedPort[]> {
    const held: PublishedPort[] = [];
    try {
      for (const port of ports) {
        if (await this.#hold(port, containerIp)) held.push(port);
      }
      return held;
    } catch (error) {
      await this.release(held);
      throw error;
    }
  }

  /** False where the host has no IPv6. */
  async #hold(port: PublishedPort, containerIp: string): Promise<boolean> {
    if (this.#conflicts(port)) {
      throw new SlipwayError('Conflict', 'port is already allocated', { reason: 'PORT_IN_USE' });
    }
    // The key is taken before the socket is bound, so that two callers do not both think they may have it.
    const key = keyOf(port);
    this.#held.set(key, { [Symbol.asyncDispose]: async () => {} });
    try {
      this.#held.set(key, await bind(port, containerIp));
      return true;
    } catch (error) {
      this.#held.delete(key);
      if (port.hostIp.includes(':') && isErrno(error, 'EAFNOSUPPORT', 'EADDRNOTAVAIL')) return false;
      throw error;
    }
  }

  #conflicts({ protocol, hostIp, hostPort }: PublishedPort): boolean {
    const wildcard = hostIp.includes(':') ? '::' : '0.0.0.0';
    const family = wildcard === '::' ? ':' : '.';
    if (hostIp !== wildcard) {
      return (
        this.#held.has(`${protocol} ${hostPort} ${hostIp}`) ||
        this.#held.has(`${protocol} ${hostPort} ${wildcard}`)
      );
    }
    const prefix = `${protocol} ${hostPort} `;
    for (const key of this.#held.keys()) {
      if (key.startsWith(prefix) && key.slice(prefix.length).includes(family)) return true;
    }
    return false;
  }

  #inUse(
    { protocol, hostIp, hostPort }: PublishedPort,
    range: PortRequest['hostPort'],
    { containerId: _, containerName, endpointId }: PortOwner,
    cause: unknown,
  ): SlipwayError {
    const prefix = `driver failed programming external connectivity on endpoint ${containerName} (${endpointId}): `;
    const place = hostIp.includes(':') ? `[${hostIp}]:${hostPort}` : `${hostIp}:${hostPort}`;
    const errno = isErrno(cause, ...Object.keys(BIND_ERRORS)) ? cause.code : undefined;
    const words =
      range.first !== range.last
        ? `Bind for ${place} failed: all ports are allocated`
        : errno === undefined
          ? `Bind for ${place} failed: port is already allocated`
          : `failed to bind port ${place}/${protocol}: Error starting userland proxy: listen ${protocol}${hostIp.includes(':') ? 6 : 4} ${place}: bind: ${BIND_ERRORS[errno] ?? errno}`;
    return new SlipwayError('Conflict', prefix + words, { reason: 'PORT_IN_USE', cause });
  }
}

const BIND_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};

const isBusy = (error: unknown): boolean =>
  error instanceof SlipwayError || isErrno(error, ...Object.keys(BIND_ERRORS));

const fixedPort = ({ hostPort }: PortRequest): number[] =>
  hostPort.first !== 0 && hostPort.first === hostPort.last ? [hostPort.first] : [];

const keyOf = ({ protocol, hostPort, hostIp }: PublishedPort): string => `${protocol} ${hostPort} ${hostIp}`;

async function bind(port: PublishedPort, containerIp: string): Promise<AsyncDisposable> {
  if (port.protocol === 'tcp') return await bindTcp(port, containerIp);
  if (port.protocol === 'udp') return await bindUdp(port, containerIp);
  // Node has no SCTP sockets: the table of what is held is all there is.
  return { [Symbol.asyncDispose]: async () => {} };
}

async function bindTcp(
  { hostIp, hostPort, containerPort }: PublishedPort,
  containerIp: string,
): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    const upstream = connect({ host: containerIp, port: containerPort, allowHalfOpen: true });
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    sockets.add(client);
    client.on('close', () => sockets.delete(client));
  });
  const sockets = new Set<{ destroy(): void }>();
  await listening(server, { host: hostIp, port: hostPort, ipv6Only: hostIp.includes(':') });
  server.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listening(
  server: Server,
  options: { host: string; port: number; ipv6Only: boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

const MAX_UDP_PEERS = 256;

/** Relays datagrams, one socket to the container for each peer; the oldest peer goes when there are too many. */
async function bindUdp(
  { hostIp, hostPort, containerPort }: PublishedPort,
  containerIp: string,
): Promise<AsyncDisposable> {
  const isIpv6 = hostIp.includes(':');
  const socket = createSocket({ type: isIpv6 ? 'udp6' : 'udp4', ipv6Only: isIpv6 });
  const peers = new Map<string, UdpSocket>();
  socket.on('message', (datagram, { address, port }) => {
    const key = `${address} ${port}`;
    let upstream = peers.get(key);
    if (upstream === undefined) {
      upstream = createSocket('udp4').unref();
      upstream.on('message', (answer) => socket.send(answer, port, address, () => {})).on('error', () => {});
      for (const [oldest, old] of peers) {
        if (peers.size < MAX_UDP_PEERS) break;
        old.close();
        peers.delete(oldest);
      }
      peers.set(key, upstream);
    }
    upstream.send(datagram, containerPort, containerIp, () => {});
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject).bind({ address: hostIp, port: hostPort, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.on('error', () => {}).unref();
  return {
    [Symbol.asyncDispose]: async () => {
      for (const upstream of peers.values()) upstream.close();
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
}
