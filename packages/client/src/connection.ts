import type * as Http from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { parseJsonLines } from '@slipway/api';
import { type ErrorCode, isErrno, SlipwayError } from '@slipway/base/errors';

/** `import` of node:http evaluates its lazy exports, WebSocket among them, and costs 20 ms; this way costs 2. */
const http: typeof Http = process.getBuiltinModule('node:http');

/** The socket that slipwayd listens on when nothing else is said. */
export const DEFAULT_HOST = 'unix:///run/slipway/docker.sock';

/** What may be a query parameter; undefined, false and '' are left out. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, in chunks. */
  readonly body?: Readable;
  readonly contentType?: string;
  /** More headers; undefined ones are left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** A connection that stopped being HTTP: bytes both ways. */
export interface Hijacked {
  readonly socket: Duplex;
  /** Of the output: framed (`multiplexed-stream`) or raw. Older engines say raw for both. */
  readonly contentType: string;
}

const ERROR_CODES: Readonly<Record<number, ErrorCode>> = {
  304: 'NotModified',
  400: 'InvalidArgument',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'NotFound',
  409: 'Conflict',
  412: 'FailedPrecondition',
  429: 'ResourceExhausted',
  501: 'NotImplemented',
  503: 'Unavailable',
  504: 'DeadlineExceeded',
};

/** Requests to one daemon over its Unix socket, on connections that are kept alive. */
export class Connection implements Disposable {
  /** `unix:///path`, as it was given. */
  readonly host: string;
  readonly #socketPath: string;
  readonly #agent = new http.Agent({ keepAlive: true });

  /** @throws InvalidArgument for a host that is not `unix://` and an absolute path. */
  constructor(host: string = DEFAULT_HOST) {
    this.host = host;
    this.#socketPath = parseHost(host);
  }

  /**
   * The answer, its head read and its body to come. Not modified (304) is an answer, not an error.
   * @throws SlipwayError with the daemon's message; Unavailable when nothing listens.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Http.IncomingMessage> {
    const response = await this.#send(method, path, options);
    if ((response.statusCode ?? 500) >= 400) throw await responseError(response);
    return response;
  }

  /** The answer's JSON body, which the caller's type describes. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const text = await readText(await this.request(method, path, options));
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (cause) {
      throw new SlipwayError('Internal', `${method} ${path}: the daemon's answer is not JSON: ${text}`, {
        cause,
      });
    }
  }

  /** Does something whose answer says nothing. */
  async empty(method: string, path: string, options: RequestOptions = {}): Promise<void> {
    await readText(await this.request(method, path, options));
  }

  /** The values of an answer that is a stream of JSON lines. The first is asked for after the head has come. */
  async lines<T>(
    method: string,
    path: string,
    options: RequestOptions = {},
    parse?: (line: string) => T,
  ): Promise<AsyncGenerator<T>> {
    const response = await this.request(method, path, options);
    return parseJsonLines(response, parse) as AsyncGenerator<T>;
  }

  /** Turns a request's connection into a two-way stream of bytes. */
  async hijack(method: string, path: string, options: RequestOptions = {}): Promise<Hijacked> {
    const { promise, resolve, reject } = Promise.withResolvers<Hijacked>();
    const request = http.request({
      socketPath: this.#socketPath,
      agent: false,
      method,
      path: withQuery(path, options.query),
      headers: { ...requestHeaders(options), Connection: 'Upgrade', Upgrade: 'tcp' },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    request.on('upgrade', (response, socket, head) => {
      if (head.byteLength > 0) socket.unshift(head);
      resolve({ socket, contentType: response.headers['content-type'] ?? '' });
    });
    request.on('response', (response) => {
      responseError(response).then(reject, reject);
    });
    request.on('error', (error) => reject(this.#connectError(error)));
    request.end(options.json === undefined ? undefined : JSON.stringify(options.json));
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, options: RequestOptions): Promise<Http.IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<Http.IncomingMessage>();
    const request = http.request(
      {
        socketPath: this.#socketPath,
        agent: this.#agent,
        method,
        path: withQuery(path, options.query),
        headers: requestHeaders(options),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      resolve,
    );
    request.on('error', (error) => reject(this.#connectError(error)));
    if (options.body !== undefined) {
      options.body.on('error', (error) => {
        reject(error);
        request.destroy();
      });
      options.body.pipe(request);
    } else {
      request.end(options.json === undefined ? undefined : JSON.stringify(options.json));
    }
    return promise;
  }

  #connectError(cause: Error): Error {
    if (cause instanceof SlipwayError || cause.name === 'AbortError') return cause;
    if (isErrno(cause, 'ENOENT', 'ECONNREFUSED')) {
      return new SlipwayError(
        'Unavailable',
        `cannot reach the daemon at ${this.host}: is it running? Start it with 'slipwayd' (from a checkout: script/slipwayd), or name another with --host or SLIPWAY_HOST`,
        { cause },
      );
    }
    if (isErrno(cause, 'EACCES')) {
      return new SlipwayError(
        'PermissionDenied',
        `not allowed to use the daemon's socket ${this.host}: run as root or as a member of the socket's group`,
        { cause },
      );
    }
    if (isErrno(cause, 'ECONNRESET', 'EPIPE')) {
      return new SlipwayError('Unavailable', `the daemon at ${this.host} closed the connection`, { cause });
    }
    return cause;
  }
}

/** The path of `unix:///path` or of a bare absolute path. */
function parseHost(host: string): string {
  const path = host.startsWith('unix://') ? host.slice('unix://'.length) : host;
  if (!path.startsWith('/')) {
    throw new SlipwayError(
      'InvalidArgument',
      `cannot use the host "${host}": give unix:// and an absolute path, as in ${DEFAULT_HOST}`,
    );
  }
  return path;
}

function requestHeaders(options: RequestOptions): Record<string, string | number> {
  const headers: Record<string, string | number> = bodyHeaders(options);
  for (const [name, value] of Object.entries(options.headers ?? {}))
    if (value !== undefined) headers[name] = value;
  return headers;
}

function bodyHeaders(options: RequestOptions): Record<string, string | number> {
  if (options.json !== undefined) {
    return {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(JSON.stringify(options.json)),
    };
  }
  if (options.body !== undefined) return { 'Content-Type': options.contentType ?? 'application/x-tar' };
  return {};
}

function withQuery(path: string, query: Readonly<Record<string, QueryValue>> = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === false || value === '') continue;
    if (typeof value === 'object') for (const one of value) parameters.append(name, one);
    else parameters.append(name, value === true ? '1' : String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function responseError(response: Http.IncomingMessage): Promise<SlipwayError> {
  const status = response.statusCode ?? 500;
  const text = await readText(response);
  const code =
    exceptionCode(response.headers['x-amzn-errortype']) ??
    ERROR_CODES[status] ??
    (status < 500 ? 'InvalidArgument' : 'Internal');
  return new SlipwayError(code, messageOf(text) ?? `the daemon answered ${status} ${response.statusMessage}`);
}

/** AWS's JSON APIs answer 400 whatever it is; the exception's name tells. */
function exceptionCode(exception: string | readonly string[] | undefined): ErrorCode | undefined {
  if (/NotFound/.test(String(exception))) return 'NotFound';
  return /Conflict|AlreadyExists/.test(String(exception)) ? 'Conflict' : undefined;
}

/** The message of `{"message": …}` (`Message` in AWS's APIs), or the text itself, which is how routers answer "page not found". */
function messageOf(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    if (body instanceof Object) {
      const { message, Message } = body as { message?: unknown; Message?: unknown };
      if (typeof message === 'string') return message;
      if (typeof Message === 'string') return Message;
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return text.trim() === '' ? undefined : text.trim();
}

async function readText(response: Http.IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}
