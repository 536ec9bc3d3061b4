import type { IncomingHttpHeaders } from 'node:http';
import { collectBytes, isSlipwayError, SlipwayError } from '@slipway/base';

/** A body whose bytes can be asked for again, as a redirect or a second attempt needs it. */
export interface StreamedBody {
  readonly sizeBytes: number;
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody;
  /** What the bearer token must allow: `repository:library/ubuntu:pull`. */
  readonly scopes?: readonly string[];
  /** Whether sending it twice does no harm. By default GET and HEAD. */
  readonly canRepeat?: boolean;
  /** How long the answer may take after the last byte was sent, where that is longer than a stall. */
  readonly answerWithinMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body must be read to its end, or discarded, to give the connection back. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** The chunks as the socket gave them; throws Unavailable where the connection is cut or stalls. Read once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Nobody reads the body. */
  discard(): void;
}

/** One request, one answer. What adds authorization, redirects or further attempts wraps one and is one. */
export type Dispatch = (request: HttpRequest) => Promise<HttpResponse>;

/** How a request failed without an answer: the `reason` of an Unavailable error. */
export type ConnectionFailure =
  /** Nobody listens there, or the name is not known. */
  'CONNECT_FAILED' | 'CONNECT_TIMEOUT' | 'TLS_FAILED' | 'CONNECTION_LOST' | 'STALLED';

/** A request that got no answer, or not the whole of it. */
export const connectionError = (failure: ConnectionFailure, message: string, cause?: unknown) =>
  new SlipwayError('Unavailable', message, { reason: failure, cause });

/** Whether the same request may well succeed in a moment: the connection was there, and was lost or fell silent. */
export const isConnectionLost = (error: unknown): boolean =>
  isSlipwayError(error, 'Unavailable') && (error.reason === 'CONNECTION_LOST' || error.reason === 'STALLED');

/** Whether the other side could not be reached at all. */
export const isUnreachable = (error: unknown): boolean =>
  isSlipwayError(error, 'Unavailable') &&
  (error.reason === 'CONNECT_FAILED' || error.reason === 'CONNECT_TIMEOUT' || error.reason === 'TLS_FAILED');

/** A URL as errors and logs show it: without its query, which may hold a signature. */
export const displayUrl = (url: URL): string => url.origin + url.pathname;

/** One header's text, of several the first. */
export function headerOf(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** `Content-Length` in bytes, where it is a number. */
export function contentLengthOf(response: HttpResponse): number | undefined {
  const text = headerOf(response, 'content-length');
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `Content-Type` in lower case without its parameters; empty where there is none. */
export const contentTypeOf = (response: HttpResponse): string =>
  (headerOf(response, 'content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** The whole body. @throws ResourceExhausted past `maxBytes`, naming the URL */
export async function readAll(response: HttpResponse, maxBytes: number): Promise<Buffer> {
  const tooLarge = (cause?: unknown) =>
    new SlipwayError(
      'ResourceExhausted',
      `${displayUrl(response.url)} answered more than the ${maxBytes} bytes that are read here`,
      { reason: 'SIZE_INVALID', cause },
    );
  if ((contentLengthOf(response) ?? 0) > maxBytes) {
    response.discard();
    throw tooLarge();
  }
  try {
    return await collectBytes(response.body, maxBytes);
  } catch (error) {
    throw isSlipwayError(error, 'ResourceExhausted') ? tooLarge(error) : error;
  }
}
