import { createHash } from 'node:crypto';
import { type Clock, type Logger, type Random, SlipwayError } from '@slipway/base';
import { Authorizer } from './authorize.ts';
import type { Dispatch } from './http.ts';
import { proveLogin } from './login.ts';
import { followingRedirects } from './redirect.ts';
import type { Credentials, FindEndpoints, RegistryClient, RegistryEndpoint } from './registry.ts';
import { openRepository } from './repository.ts';
import { DEFAULT_RETRY, type RetryPolicy, retrying } from './retry.ts';
import { searchRegistry } from './search.ts';
import type { ClientContext, RestingMirrors, Session } from './session.ts';
import { Transport } from './transport.ts';

export interface RegistryClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly userAgent: string;
  readonly findEndpoints: FindEndpoints;
  /** Requests to one host at a time. 16 by default. */
  readonly maxConnectionsPerHost?: number;
  /** 15 s by default. */
  readonly connectTimeoutMs?: number;
  /** Silence after which a connection counts as dead; 30 s by default. Storing what was sent may take ten times that. */
  readonly stallTimeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** Blobs up to this size are sent with one PUT; 1 MiB by default. */
  readonly monolithicMaxBytes?: number;
  /** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as the environment has them. Not for insecure registries. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
}

/** Logins that are kept with their tokens; the oldest goes first. */
const MAX_SESSIONS = 256;

/** Docker Hub searches elsewhere than it serves. */
const HUB_REGISTRY = 'https://registry-1.docker.io';
const HUB_INDEX = 'https://index.docker.io';

/** A client for any number of registries. Connections and tokens are shared by all that it is used for. */
export function openRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { clock, random, logger, userAgent, findEndpoints, stallTimeoutMs = 30_000 } = options;
  const context: ClientContext = {
    clock,
    random,
    logger,
    retry: { ...DEFAULT_RETRY, ...options.retry },
    commitTimeoutMs: 10 * stallTimeoutMs,
    monolithicMaxBytes: options.monolithicMaxBytes ?? 1024 * 1024,
  };
  // The next endpoint is a better try than a mirror that fails again.
  const mirrorContext = {
    ...context,
    retry: { ...context.retry, attempts: Math.min(2, context.retry.attempts) },
  };
  const disposal = new AbortController();
  const transports = new Map<string, Transport>();
  const sessions = new Map<string, Session>();
  const resting: RestingMirrors = new Map();

  /** Without authorization, with redirects. */
  const reach = (endpoint: RegistryEndpoint): Dispatch => {
    if (disposal.signal.aborted) throw new SlipwayError('Canceled', 'the registry client was closed');
    const key = keyOf(endpoint);
    let transport = transports.get(key);
    if (transport === undefined) {
      transport = new Transport(endpoint, {
        clock,
        disposal: disposal.signal,
        connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
        stallTimeoutMs,
        maxConnectionsPerHost: options.maxConnectionsPerHost ?? 16,
        proxyEnv: options.proxyEnv,
      });
      transports.set(key, transport);
    }
    const { dispatch } = transport;
    return followingRedirects((request) =>
      dispatch({ ...request, headers: { 'user-agent': userAgent, ...request.headers } }),
    );
  };

  const retried = (dispatch: Dispatch, { retry: policy } = context): Dispatch =>
    retrying(dispatch, { clock, random, logger, policy });

  const openSession = (
    endpoint: RegistryEndpoint,
    domain: string,
    given: Credentials | undefined,
  ): Session => {
    const credentials = endpoint.isMirror ? undefined : given;
    const key = keyOf([endpoint, domain, credentials]);
    const known = sessions.get(key);
    if (known !== undefined) return known;
    const plain = reach(endpoint);
    const sessionContext = endpoint.isMirror ? mirrorContext : context;
    const authorizer = new Authorizer({
      endpoint,
      registry: domain,
      credentials,
      clock,
      dispatch: retried(plain, sessionContext),
      signal: disposal.signal,
    });
    const place = endpoint.isMirror ? `mirror ${endpoint.url} of registry ${domain}` : `registry ${domain}`;
    const dispatch = retried(authorizer.wrap(plain), sessionContext);
    const session = { endpoint, place, dispatch, context: sessionContext };
    const [oldest] = sessions.keys();
    if (sessions.size >= MAX_SESSIONS && oldest !== undefined) sessions.delete(oldest);
    sessions.set(key, session);
    return session;
  };

  const findOwn = async (domain: string): Promise<RegistryEndpoint> => {
    const own = (await findEndpoints(domain)).find(({ isMirror }) => !isMirror);
    if (own === undefined)
      throw new SlipwayError('NotFound', `registry ${domain} has no endpoint of its own`);
    return own;
  };

  return {
    repository: (name, credentials) =>
      openRepository(name, resting, async () =>
        (await findEndpoints(name.domain)).map((endpoint) => openSession(endpoint, name.domain, credentials)),
      ),
    login: async (domain, credentials, { signal } = {}) => {
      const endpoint = await findOwn(domain);
      return proveLogin(
        { endpoint, domain, dispatch: retried(reach(endpoint)), context },
        credentials,
        signal,
      );
    },
    search: async (domain, term, { limit, credentials, signal }) => {
      const own = await findOwn(domain);
      const endpoint = own.url === HUB_REGISTRY ? { ...own, url: HUB_INDEX } : own;
      return searchRegistry(openSession(endpoint, domain, credentials), term, { limit, signal });
    },
    [Symbol.asyncDispose]: async () => {
      disposal.abort(new SlipwayError('Canceled', 'the registry client was closed'));
      for (const transport of transports.values()) transport[Symbol.dispose]();
      transports.clear();
      sessions.clear();
    },
  };
}

/** A map's key for plain values that may hold secrets, and hides them. */
const keyOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
