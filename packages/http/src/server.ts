import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Duplex, duplexPair, pipeline } from 'node:stream';
import { type Clock, isSlipwayError, type Logger } from '@slipway/base';
import type { Dialect } from './dialects/dialect.ts';
import type { OpenFileSender } from './file-body.ts';
import { endSocket, hijackResponse, hijackSocket } from './hijack.ts';
import { createServer, ServerResponse as Response } from './node-http.ts';
import type { HijackReply, Reply } from './reply.ts';
import { writeReply } from './reply-writer.ts';
import { HttpRequest } from './request.ts';
import { Router } from './router.ts';
import type { Site } from './site.ts';
import { splitVersion } from './version.ts';

export interface ServeOptions {
  /** A Unix socket's path, or a TCP port on an address. The path must be free. */
  readonly listen: { readonly socketPath: string } | { readonly port: number; readonly host: string };
  /** The first that takes a request serves it; the last one gets what no other takes. */
  readonly sites: readonly [...Site[], Site];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Sends large files past this process's memory; without it they are read and written. */
  readonly openFileSender?: OpenFileSender;
}

/** Disposing stops listening, tells running handlers through their signals, and closes every connection. */
export interface HttpServer extends AsyncDisposable {
  /** The TCP port; undefined on a Unix socket. */
  readonly port: number | undefined;
}

/** As large as Go's servers allow: registry credentials, build arguments and filters travel in headers and URLs. */
const MAX_HEADER_BYTES = 1024 * 1024;
/** How long running replies may take to end once their signals were aborted. */
const CLOSE_GRACE_MS = 500;
/** How long a client that sends a body nobody reads may go on after it was answered. */
const UNREAD_BODY_MS = 1_000;

/** Serves the routes. Resolves when connections are accepted. @throws the system's error when the address cannot be bound. */
export async function serve(options: ServeOptions): Promise<HttpServer> {
  const connections = new Connections(options);
  const { server } = connections;
  const { listen } = options;
  server.listen('socketPath' in listen ? { path: listen.socketPath } : listen);
  await once(server, 'listening');
  const address = server.address() as AddressInfo | string | null;
  return {
    port: typeof address === 'object' ? address?.port : undefined,
    [Symbol.asyncDispose]: () => connections.close(),
  };
}

interface OpenSite {
  readonly dialect: Dialect;
  readonly router: Router;
  readonly matches: Site['matches'];
  readonly fallback: Site['fallback'];
}

class Connections {
  readonly server: Server;
  readonly #sites: readonly OpenSite[];
  /** @see Route.http2 */
  readonly #http2: HijackReply['serve'] | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #openFileSender: OpenFileSender | undefined;
  /** Of the requests that asked for a signal, and of hijacked connections. */
  readonly #running = new Set<AbortController>();
  readonly #upgraded = new Set<Duplex>();

  constructor({ sites, clock, logger, openFileSender }: ServeOptions) {
    this.#openFileSender = openFileSender;
    this.#sites = sites.map(({ dialect, routes, matches, fallback }) => ({
      dialect,
      router: new Router(routes),
      matches,
      fallback,
    }));
    this.#http2 = sites.flatMap(({ routes }) => routes).find(({ http2 }) => http2 !== undefined)?.http2;
    this.#clock = clock;
    this.#logger = logger;
    this.server = createServer({
      keepAliveTimeout: 0,
      requestTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      shouldUpgradeCallback: (request) => this.#mayUpgrade(request),
    });
    this.server.on('request', (request, response) => void this.#onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => void this.#onUpgrade(request, socket, head));
    this.server.on('clientError', (error, socket) => this.#onClientError(error, socket));
  }

  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    const reason = new Error('the daemon is shutting down');
    for (const controller of this.#running) controller.abort(reason);
    const grace = this.#clock.timer(CLOSE_GRACE_MS, () => {
      this.server.closeAllConnections();
      for (const socket of this.#upgraded) socket.destroy();
    });
    this.server.closeIdleConnections();
    await closed;
    grace[Symbol.dispose]();
  }

  async #onRequest(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const startedAtMs = this.#clock.monotonicMs();
    const gone = this.#signalOf(response, () => !response.writableFinished);
    const site = this.#siteOf(incoming);
    try {
      const reply = await this.#reply(site, incoming, gone);
      // A stream may read the body while it is written, as load and import do.
      if (!incoming.complete && reply.kind !== 'stream' && reply.kind !== 'hijack') {
        this.#giveUpBody(incoming, response);
      }
      if (reply.kind === 'hijack') {
        await hijackResponse(incoming, response, reply, this.#hijackContext(site, gone()));
      } else {
        await this.#write(site, incoming, response, reply);
      }
    } catch (error) {
      this.#abandon(incoming, error, response);
    }
    this.#logDone(incoming, response.statusCode, startedAtMs);
  }

  async #onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const startedAtMs = this.#clock.monotonicMs();
    socket.on('error', () => {});
    if (head.byteLength > 0) socket.unshift(head);
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
    const gone = this.#signalOf(socket, () => true);
    let status = 101;
    const site = this.#siteOf(incoming);
    try {
      const reply = await this.#reply(site, incoming, gone);
      if (!incoming.complete) incoming.resume();
      if (reply.kind === 'hijack') {
        const protocol = incoming.headers.upgrade ?? 'tcp';
        await hijackSocket(socket, protocol, reply, this.#hijackContext(site, gone()));
      } else {
        status = reply.status;
        await this.#refuseUpgrade(site, incoming, socket, reply);
      }
    } catch (error) {
      this.#abandon(incoming, error, socket);
    }
    this.#logDone(incoming, status, startedAtMs);
  }

  /** An ordinary reply, most often an error, to a client that hoped for an upgrade. */
  async #refuseUpgrade(
    site: OpenSite,
    incoming: IncomingMessage,
    socket: Duplex,
    reply: Exclude<Reply, HijackReply>,
  ): Promise<void> {
    const response = new Response(incoming);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    socket.on('drain', () => response.emit('drain'));
    const finished = once(response, 'finish');
    await this.#write(site, incoming, response, reply);
    await finished;
    response.detachSocket(socket as Socket);
    await endSocket(socket, this.#clock);
  }

  #onClientError(error: NodeJS.ErrnoException & { readonly rawPacket?: Buffer }, socket: Duplex): void {
    if (
      error.code !== 'HPE_PAUSED_H2_UPGRADE' ||
      this.#http2 === undefined ||
      error.rawPacket === undefined
    ) {
      refuse(socket);
      return;
    }
    this.#onHttp2(this.#http2, socket, error.rawPacket).catch(() => socket.destroy());
  }

  /**
   * A connection whose first bytes the parser knew as HTTP/2's and took. It holds on to the socket itself, so that another
   * stream stands in for it.
   */
  async #onHttp2(serve: HijackReply['serve'], socket: Duplex, head: Buffer): Promise<void> {
    for (const name of ['data', 'end', 'error', 'close', 'drain']) socket.removeAllListeners(name);
    const [near, far] = duplexPair();
    near.write(Buffer.from(head));
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
    const signal = this.#signalOf(socket, () => true)();
    pipeline(socket, near, socket, () => {
      socket.destroy();
      near.destroy();
    });
    await serve({ socket: far, input: far, write: async (bytes) => void far.write(bytes), signal });
  }

  /** Docker's clients ask for `tcp`; `h2c` counts where a route speaks HTTP/2, as others offer it with every request. */
  #mayUpgrade(incoming: IncomingMessage): boolean {
    const protocol = incoming.headers.upgrade?.toLowerCase();
    if (protocol === 'tcp') return true;
    if (protocol !== 'h2c') return false;
    const { dialect, router } = this.#siteOf(incoming);
    try {
      const target = splitVersion(incoming.url?.split('?', 1)[0] ?? '/', dialect.versions);
      return router.find(incoming.method ?? '', target.path, target.version)?.route.upgradesTo === 'h2c';
    } catch {
      return false;
    }
  }

  #siteOf(incoming: IncomingMessage): OpenSite {
    const path = (incoming.url ?? '/').split('?', 1)[0] ?? '/';
    const headers = incoming.headers as Readonly<Record<string, string | undefined>>;
    const last = this.#sites.at(-1) as OpenSite;
    return this.#sites.find(({ matches }) => matches?.({ path, headers }) ?? true) ?? last;
  }

  /** Writes a reply; one whose content cannot be had becomes the dialect's error while nothing was said yet. */
  async #write(
    { dialect }: OpenSite,
    incoming: IncomingMessage,
    response: ServerResponse,
    reply: Exclude<Reply, HijackReply>,
  ): Promise<void> {
    try {
      await writeReply(response, reply, dialect.headers(), this.#openFileSender);
    } catch (error) {
      const told = dialect.error(error);
      if (response.headersSent || response.destroyed || told.kind === 'hijack') throw error;
      this.#logger.error({ err: error, ...nameOf(incoming) }, 'reply failed');
      await writeReply(response, told, dialect.headers());
    }
  }

  /** What the handler answers; an error becomes the dialect's reply. */
  async #reply(
    { dialect, router, fallback }: OpenSite,
    incoming: IncomingMessage,
    gone: () => AbortSignal,
  ): Promise<Reply> {
    try {
      const url = incoming.url ?? '/';
      const queryAt = url.indexOf('?');
      const target = splitVersion(queryAt === -1 ? url : url.slice(0, queryAt), dialect.versions);
      const match = router.find(incoming.method ?? '', target.path, target.version);
      const handler = match?.route.handler ?? fallback;
      if (handler === undefined) return dialect.notFound();
      const search = queryAt === -1 ? '' : url.slice(queryAt + 1);
      const params = match?.params ?? {};
      return await handler(new HttpRequest(incoming, { ...target, search, params, gone }));
    } catch (error) {
      const reply = dialect.error(error);
      if (reply.kind !== 'hijack' && reply.status >= 500 && !isSlipwayError(error, 'NotImplemented')) {
        this.#logger.error({ err: error, ...nameOf(incoming) }, 'request failed');
      }
      return reply;
    }
  }

  /** A signal made when first asked for; it aborts when `emitter` closes early or the server shuts down. */
  #signalOf(emitter: ServerResponse | Duplex, wasEarly: () => boolean): () => AbortSignal {
    let controller: AbortController | undefined;
    return () => {
      if (controller !== undefined) return controller.signal;
      const made = new AbortController();
      controller = made;
      if (emitter.destroyed) {
        made.abort(clientGone());
        return made.signal;
      }
      this.#running.add(made);
      emitter.once('close', () => {
        this.#running.delete(made);
        if (wasEarly()) made.abort(clientGone());
      });
      return made.signal;
    };
  }

  #hijackContext({ dialect }: OpenSite, signal: AbortSignal) {
    return { clock: this.#clock, headers: dialect.headers(), signal };
  }

  /**
   * The handler answered without reading the body to its end: read on for a moment, so that the answer arrives. The answer
   * must not say `Connection: close`, after which Node closes at once, and what still comes would reset the connection: a
   * client that asked for it gets it once all has come.
   */
  #giveUpBody(incoming: IncomingMessage, response: ServerResponse): void {
    if (incoming.complete || incoming.readableFlowing === true) return;
    const { socket } = incoming;
    const close = () => socket.destroySoon();
    if (!response.headersSent && !response.shouldKeepAlive) {
      response.shouldKeepAlive = true;
      incoming.once('end', () => (response.writableFinished ? close() : response.once('finish', close)));
    }
    incoming.resume();
    const timer = this.#clock.timer(UNREAD_BODY_MS, close);
    incoming.once('close', () => timer[Symbol.dispose]());
  }

  /** The reply broke off half way; cutting the connection is how the client learns of it. */
  #abandon(incoming: IncomingMessage, error: unknown, connection: ServerResponse | Duplex): void {
    if (!connection.destroyed) {
      this.#logger.error({ err: error, ...nameOf(incoming) }, 'reply broke off');
    }
    connection.destroy();
  }

  #logDone(incoming: IncomingMessage, status: number, startedAtMs: number): void {
    const ms = Math.round((this.#clock.monotonicMs() - startedAtMs) * 1000) / 1000;
    this.#logger.debug({ ...nameOf(incoming), status, ms }, 'request');
  }
}

/** Without the query, which may carry secrets (build arguments). */
const nameOf = (incoming: IncomingMessage) => ({
  method: incoming.method,
  path: incoming.url?.split('?', 1)[0],
});

const clientGone = () => new Error('the client closed the connection');

/** What came is not HTTP. */
function refuse(socket: Duplex): void {
  if (socket.writable) {
    socket.end(
      'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request',
    );
  } else {
    socket.destroy();
  }
}
