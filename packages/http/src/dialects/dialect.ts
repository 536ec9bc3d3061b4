import type { Headers, Reply } from '../reply.ts';
import type { VersionRange } from '../version.ts';

/** How one family of clients wants to be talked to. */
export interface Dialect {
  readonly versions: VersionRange;
  /** On every reply. */
  readonly headers: Headers;
  /** The reply that tells of an error. */
  readonly error: (error: unknown) => Reply;
  /** No route fits. */
  readonly notFound: () => Reply;
}
