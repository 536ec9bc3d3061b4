import type { Headers, Reply, RouteRequest } from '@slipway/http';
import type { RegistryAction, RegistryBackend, Visitor } from './backend.ts';
import type { Target } from './names.ts';

/** One request to a repository, by somebody who may do what the endpoint does. */
export interface Exchange extends Target {
  readonly request: RouteRequest;
  readonly visitor: Visitor;
  readonly backend: RegistryBackend;
}

/** What one method does with one kind of resource. */
export interface Endpoint {
  readonly action: RegistryAction;
  readonly handle: (exchange: Exchange) => Promise<Reply>;
}

/**
 * The headers that name what is sent: it is immutable, so its digest is its entity tag. It is what somebody pushed, and
 * no browser is to find a page in it.
 */
export const contentHeaders = (digest: string): Record<string, string> => ({
  'Docker-Content-Digest': digest,
  ETag: `"${digest}"`,
  'X-Content-Type-Options': 'nosniff',
});

/** Whether the client has it already: its entity tag is among `If-None-Match`. */
export function isKnown(request: RouteRequest, digest: string): boolean {
  const tags = request.headers['if-none-match'];
  return tags !== undefined && (tags.trim() === '*' || tags.includes(`"${digest}"`));
}

/** `Link` to the next page. @see RFC 8288 */
export const nextPage = (path: string, limit: number, last: string): Headers => ({
  Link: `<${path}?n=${limit}&last=${encodeURIComponent(last)}>; rel="next"`,
});
