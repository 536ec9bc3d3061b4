import type { Duplex } from 'node:stream';

/** What a handler answers, as data: only the reply writer touches the socket. */
export type Reply = JsonReply | BytesReply | StreamReply | FileReply | EmptyReply | HijackReply;

export type Headers = Readonly<Record<string, string | readonly string[]>>;

export interface JsonReply {
  readonly kind: 'json';
  readonly status: number;
  readonly value: unknown;
  readonly headers: Headers;
}

/** A body that is at hand as it is to be sent. */
export interface BytesReply {
  readonly kind: 'bytes';
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Headers are flushed before the first chunk is asked for. When the client goes, the iterator's `return` is called. */
export interface StreamReply {
  readonly kind: 'stream';
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array | string>;
}

/** Bytes of a file that nobody changes meanwhile, with their `Content-Length`. */
export interface FileReply {
  readonly kind: 'file';
  readonly status: number;
  readonly headers: Headers;
  readonly path: string;
  /** In bytes, from the start of the file. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

export interface EmptyReply {
  readonly kind: 'empty';
  readonly status: number;
  readonly headers: Headers;
}

/** The connection becomes a byte stream both ways: `101 UPGRADED` when the client asked to upgrade, else 200. */
export interface HijackReply {
  readonly kind: 'hijack';
  readonly contentType: string;
  /** The connection is closed when this settles. */
  readonly serve: (connection: HijackedConnection) => Promise<void>;
}

/** A hijacked connection. */
export interface HijackedConnection {
  /** The connection itself, for HTTP/2, instead of `input` and `write`; absent when the client did not ask to upgrade. */
  readonly socket?: Duplex;
  /** What the client sends; ends at its half-close. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more. Bytes written after the client went are dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** Aborts when the client is gone entirely. */
  readonly signal: AbortSignal;
}

export const json = (status: number, value: unknown, headers: Headers = {}): JsonReply => ({
  kind: 'json',
  status,
  value,
  headers,
});

export const bytes = (
  status: number,
  contentType: string,
  body: Uint8Array,
  headers: Headers = {},
): BytesReply => ({
  kind: 'bytes',
  status,
  headers: { 'content-type': contentType, ...headers },
  body,
});

export const stream = (
  status: number,
  contentType: string,
  body: AsyncIterable<Uint8Array | string>,
  headers: Headers = {},
): StreamReply => ({
  kind: 'stream',
  status,
  headers: { 'content-type': contentType, ...headers },
  body,
});

/** A part of a file. When it cannot be opened the dialect's error is answered instead. */
export const file = (
  status: number,
  contentType: string,
  part: { readonly path: string; readonly offset: number; readonly length: number },
  headers: Headers = {},
): FileReply => ({
  kind: 'file',
  status,
  headers: { 'content-type': contentType, ...headers },
  ...part,
});

export const empty = (status: number, headers: Headers = {}): EmptyReply => ({
  kind: 'empty',
  status,
  headers,
});

export const hijack = (contentType: string, serve: HijackReply['serve']): HijackReply => ({
  kind: 'hijack',
  contentType,
  serve,
});
