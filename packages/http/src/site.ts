import type { Dialect } from './dialects/dialect.ts';
import type { Handler, Route } from './route.ts';

/** Routes that are served to one family of clients; a server may have several, side by side on one address. */
export interface Site {
  readonly dialect: Dialect;
  readonly routes: readonly Route[];
  /** Takes what no route takes, whatever its method and path are; without it that is not found. */
  readonly fallback?: Handler;
  /**
   * Whether a request is this site's; the first site that says so gets it. A site without it takes every request.
   * `path` is as it was sent, without the query; header names are in lower case.
   */
  readonly matches?: (request: {
    readonly path: string;
    readonly headers: Readonly<Record<string, string | undefined>>;
  }) => boolean;
}
