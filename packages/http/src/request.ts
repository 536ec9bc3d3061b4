import type { IncomingMessage } from 'node:http';
import type { ApiVersion, RouteRequest } from './route.ts';

/** A request as node:http has it, read lazily: a ping never parses a query nor makes a signal. */
export class HttpRequest implements RouteRequest {
  readonly method: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly version: ApiVersion;
  readonly search: string;
  readonly #incoming: IncomingMessage;
  readonly #gone: () => AbortSignal;
  #query: URLSearchParams | undefined;

  constructor(
    incoming: IncomingMessage,
    target: {
      path: string;
      search: string;
      version: ApiVersion;
      params: Readonly<Record<string, string>>;
      gone: () => AbortSignal;
    },
  ) {
    this.#incoming = incoming;
    this.search = target.search;
    this.#gone = target.gone;
    this.method = incoming.method ?? '';
    this.path = target.path;
    this.params = target.params;
    this.version = target.version;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.search);
    return this.#query;
  }

  get remoteAddress(): string | undefined {
    return this.#incoming.socket.remoteAddress;
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    return this.#incoming.headers as Readonly<Record<string, string | undefined>>;
  }

  get body(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#incoming.iterator({ destroyOnReturn: false }) };
  }

  get signal(): AbortSignal {
    return this.#gone();
  }
}
