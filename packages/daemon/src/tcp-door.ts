import { isErrno, SlipwayError } from '@slipway/base';
import type { Accounts } from '@slipway/engine/accounts';
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

const refusal = (matches: Site['matches'], message: string): Site => ({
  ...(matches === undefined ? {} : { matches }),
  dialect: {
    ...ociDialect(),
    notFound: () => ociErrorReply(new SlipwayError('PermissionDenied', message, { reason: 'DENIED' })),
  },
  routes: [],
});

/**
 * A page from elsewhere, in a browser on this machine, reaches the port as its user does, and names that lead to 127.0.0.1
 * make it look like our own page. Browsers say the origin of what writes; no client of a registry has one.
 */
const FOREIGN_PAGES = refusal(
  ({ headers: { origin } }) => origin !== undefined && !isOwnHost(origin.replace(/^https?:\/\//, '')),
  'pages of other sites may not use this port',
);

/**
 * Another's name that was made to lead to 127.0.0.1 gives a page the same reach, also to read, without an origin. Who has
 * accounts may give the port any name, for there a page has no password.
 */
const foreignNames = (accounts: Pick<Accounts, 'isGuarded'>): Site =>
  refusal(
    ({ headers: { host } }) => !accounts.isGuarded && host !== undefined && !isOwnHost(host),
    'without accounts this port answers to localhost and 127.0.0.1 only; add one with "slipway registry users add" to use another name',
  );

const isOwnHost = (host: string): boolean =>
  /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host);

/** What the port serves. */
export interface DoorSites {
  /** Before any page is turned away: sites with names and rules of their own, as function URLs. */
  readonly open: readonly Site[];
  readonly sites: ServeOptions['sites'];
}

/**
 * Serves the sites on this machine's port. A port that nobody asked for and another program has is done without.
 * @throws Conflict when a port that was asked for is taken; PermissionDenied when it may not be used
 */
export async function openTcpDoor(
  { config, clock, logger }: DaemonOptions,
  { open, sites }: DoorSites,
  accounts: Pick<Accounts, 'isGuarded'>,
): Promise<HttpServer | undefined> {
  const { port, isPortAsked } = config;
  if (port === 0) return undefined;
  try {
    const door = await serve({
      listen: { port, host: HOST },
      sites: [...open, FOREIGN_PAGES, foreignNames(accounts), ...sites],
      clock,
      logger,
      openFileSender,
    });
    logger.info({ address: `${HOST}:${port}` }, 'the registry and the APIs of AWS are served');
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
      'another program has the port: the registry and the APIs of AWS are not served; choose another with --port',
    );
    return undefined;
  }
}
