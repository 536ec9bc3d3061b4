import { isErrno, SlipwayError } from '@slipway/base';
import {
  type HttpServer,
  ociDialect,
  ociErrorReply,
  type ServeOptions,
  type Site,
  serve,
} from '@slipway/http';
import { openFileSender } from './file-sender.ts';
import type { DaemonOptions } from './floors.ts';

const HOST = '127.0.0.1';

/**
 * A page from elsewhere, in a browser on this machine, reaches the port as its user does, and names that lead to 127.0.0.1
 * make it look like our own page. Browsers say the origin of what writes; no client of a registry has one.
 */
const FOREIGN_PAGES: Site = {
  matches: ({ headers: { origin } }) => origin !== undefined && !isOwnOrigin(origin),
  dialect: {
    ...ociDialect(),
    notFound: () =>
      ociErrorReply(
        new SlipwayError('PermissionDenied', 'pages of other sites may not use this port', {
          reason: 'DENIED',
        }),
      ),
  },
  routes: [],
};

const isOwnOrigin = (origin: string): boolean =>
  /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(origin);

/**
 * Serves the sites on this machine's port. A port that nobody asked for and another program has is done without.
 * @throws Conflict when a port that was asked for is taken; PermissionDenied when it may not be used
 */
export async function openTcpDoor(
  { config, clock, logger }: DaemonOptions,
  sites: ServeOptions['sites'],
): Promise<HttpServer | undefined> {
  const { port, isPortAsked } = config;
  if (port === 0) return undefined;
  try {
    const door = await serve({
      listen: { port, host: HOST },
      sites: [FOREIGN_PAGES, ...sites],
      clock,
      logger,
      openFileSender,
    });
    logger.info({ address: `${HOST}:${port}` }, 'the registry is served');
    return door;
  } catch (cause) {
    if (isErrno(cause, 'EACCES')) {
      throw new SlipwayError('PermissionDenied', `the port ${port} may not be used; choose another --port`, {
        cause,
      });
    }
    if (!isErrno(cause, 'EADDRINUSE')) throw cause;
    if (isPortAsked) {
      const message = `another program has the port ${HOST}:${port}; choose another --port, or --port 0 for none`;
      throw new SlipwayError('Conflict', message, { cause, reason: 'PORT_IN_USE' });
    }
    logger.warn(
      { address: `${HOST}:${port}` },
      'another program has the port: registry and ECR are not served; choose another with --port',
    );
    return undefined;
  }
}
