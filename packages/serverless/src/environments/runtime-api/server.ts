import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorMessage, type Logger } from '@slipway/base';
import { sendError } from './replies.ts';
import type { RuntimeApiSession } from './session.ts';

const RUNTIME = '/2018-06-01/runtime/';
const NEXT = `${RUNTIME}invocation/next`;
const INVOCATION = `${RUNTIME}invocation/`;
const EXTENSION = '/2020-01-01/extension/';

/**
 * The Runtime, Extensions and Telemetry APIs of all environments: one HTTP parser, fed with connections that were opened
 * inside of sandboxes. Which environment speaks is known by the connection, and cannot be said otherwise.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
export class RuntimeApiServer implements Disposable {
  readonly #server: Server;
  readonly #sessions = new WeakMap<Duplex, RuntimeApiSession>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
    // Waiting for an invocation takes as long as it takes.
    this.#server = createServer({ keepAlive: true, noDelay: true, requestTimeout: 0, keepAliveTimeout: 0 });
    this.#server.headersTimeout = 0;
    this.#server.timeout = 0;
    this.#server.on('request', (request, response) => this.#receive(request, response));
    this.#server.on('clientError', (_error, connection) => connection.destroy());
  }

  /** Serves a connection that was opened in the environment of `session`. */
  accept(connection: Duplex, session: RuntimeApiSession): void {
    this.#sessions.set(connection, session);
    this.#server.emit('connection', connection);
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const session = this.#sessions.get(request.socket);
    if (session === undefined) return void response.destroy();
    route(session, request, response).catch((error: unknown) => {
      if (response.destroyed) return;
      this.#logger.warn({ error: errorMessage(error), path: request.url }, 'the Runtime API failed');
      if (response.headersSent) response.destroy();
      else sendError(response, 500, 'InternalServerError', 'Internal Server Error');
    });
  }
}

async function route(
  session: RuntimeApiSession,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { url = '', method } = request;
  const notFound = () => sendError(response, 404, 'PageNotFound', `there is no ${method} ${url}`);
  if (url === NEXT) return session.next(response);
  if (url.startsWith(INVOCATION)) {
    const [requestId = '', kind] = url.slice(INVOCATION.length).split('/');
    if (method !== 'POST') return notFound();
    if (kind === 'response') return await session.answer(requestId, request, response);
    if (kind === 'error') return await session.fail(requestId, request, response);
  }
  if (url === `${RUNTIME}init/error`) return await session.failInit(request, response);
  if (url.startsWith(EXTENSION)) {
    const { extensions } = session;
    const name = url.slice(EXTENSION.length);
    if (name === 'register') return await extensions.register(request, response);
    if (name === 'event/next') return extensions.next(request, response);
    if (name === 'init/error' || name === 'exit/error') return await extensions.fail(name, request, response);
  }
  if (url === '/2022-07-01/telemetry' || url === '/2020-08-15/logs') {
    return await session.telemetry.subscribe(request, response);
  }
  if (url === '/slipway/assignment') return session.waitForAssignment(response, 'process');
  if (url === '/slipway/start') return session.waitForAssignment(response, 'gate');
  notFound();
}
