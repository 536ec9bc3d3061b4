import type { Headers, Reply } from '../reply.ts';
import type { VersionRange } from '../version.ts';

/** How one family of clients wants to be talked to. */
export interface Dialect {
  /** What may stand before a path, as `/v1.44`; undefined when the API has no such prefix. */
  readonly versions?: VersionRange;
  /** For one reply, whatever it is; the reply's own go before them. */
  readonly headers: () => Headers;
  /** The reply that tells of an error. */
  readonly error: (error: unknown) => Reply;
  /** No route fits. */
  readonly notFound: () => Reply;
}
