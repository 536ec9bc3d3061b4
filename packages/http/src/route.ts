import type { HijackReply, Reply } from './reply.ts';

/** An API version such as `1.44`. */
export type ApiVersion = `${number}.${number}`;

/** One request, as a handler sees it. */
export interface RouteRequest {
  readonly method: string;
  /** Without the version prefix. */
  readonly path: string;
  /** Decoded path parameters. A wildcard is under `*`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The query as it was sent, without its question mark. */
  readonly search: string;
  /** The client's address; undefined on a Unix socket. */
  readonly remoteAddress: string | undefined;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The version the client asked for; the newest when it asked for none; `0.0` of an API without versions. */
  readonly version: ApiVersion;
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when the client goes before the reply is complete. */
  readonly signal: AbortSignal;
}

export type Handler = (request: RouteRequest) => Promise<Reply> | Reply;

/** A row of a route table. `path` is find-my-way's pattern: `/containers/:id/start`. */
export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly handler: Handler;
  /** The first API version that has it. */
  readonly since?: ApiVersion;
  /** Its hijacked connection may become HTTP/2 (`Upgrade: h2c`). */
  readonly upgradesTo?: 'h2c';
  /** Takes connections that are HTTP/2 from their first byte; the first route that does has them all. */
  readonly http2?: HijackReply['serve'];
}
