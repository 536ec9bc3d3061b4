import type { Agent } from 'node:http';
import { type Clock, SlipwayError } from '@slipway/base';
import { orAborted } from './abort.ts';
import { exchange, type Limits } from './exchange.ts';
import { type Dispatch, displayUrl, type HttpRequest, type HttpResponse, isUnreachable } from './http.ts';
import type { RegistryEndpoint } from './registry.ts';
import { type CertificateSource, openCertificateSource } from './tls.ts';

export interface TransportOptions extends Limits {
  readonly clock: Clock;
  /** Connections to one host at a time; further requests wait. */
  readonly maxConnectionsPerHost: number;
  /** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as the environment has them. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>> | undefined;
}

const IDLE_CONNECTION_MS = 30_000;

/** The connections to one endpoint, and to where it sends us: token services, and stores that hold its blobs. */
export class Transport implements Disposable {
  readonly #endpoint: RegistryEndpoint;
  readonly #origin: string;
  readonly #options: TransportOptions;
  readonly #certificates: CertificateSource;
  readonly #agents = new Map<string, Agent>();
  /** What the endpoint turned out to speak, where that was open. */
  #scheme: Promise<'https:' | 'http:'> | undefined;

  constructor(endpoint: RegistryEndpoint, options: TransportOptions) {
    this.#endpoint = endpoint;
    this.#origin = new URL(endpoint.url).origin;
    this.#options = options;
    this.#certificates = openCertificateSource(endpoint);
  }

  /** @throws Unavailable for no answer; PermissionDenied for plain HTTP where the endpoint wants TLS */
  readonly dispatch: Dispatch = async (request) => {
    const isOwn = request.url.origin === this.#origin;
    if (!isOwn) this.#refusePlain(request.url);
    if (!isOwn || !this.#endpoint.insecure || request.url.protocol === 'http:') return this.#send(request);
    this.#scheme ??= this.#probe();
    const scheme = await orAborted(this.#scheme, request.signal);
    const url = new URL(request.url);
    url.protocol = scheme;
    try {
      return { ...(await this.#send({ ...request, url })), url: request.url };
    } catch (error) {
      // It may come back speaking the other one.
      if (isUnreachable(error)) this.#scheme = undefined;
      throw error;
    }
  };

  /** @throws PermissionDenied: what is asked for over TLS is not continued in the clear */
  #refusePlain(url: URL): void {
    if (url.protocol === 'https:') return;
    if (url.protocol === 'http:' && (this.#endpoint.insecure || this.#endpoint.url.startsWith('http:')))
      return;
    throw new SlipwayError(
      'PermissionDenied',
      `${this.#endpoint.url} points to ${displayUrl(url)}, which is not HTTPS: if this is intended, ` +
        `add ${new URL(this.#endpoint.url).host} to the insecure registries`,
      { reason: 'INSECURE_REDIRECT' },
    );
  }

  /** TLS, or plain HTTP where TLS does not answer. A failure is not remembered. */
  async #probe(): Promise<'https:' | 'http:'> {
    const url = new URL('/v2/', this.#origin);
    try {
      (await this.#send({ method: 'GET', url })).discard();
      return 'https:';
    } catch (error) {
      const isOtherPort = url.port === '' && isUnreachable(error);
      if (isTlsFailure(error) || isOtherPort) return 'http:';
      this.#scheme = undefined;
      throw error;
    }
  }

  #send(request: HttpRequest): Promise<HttpResponse> {
    return exchange(request, this.#agentFor(request.url), this.#options, this.#options.clock);
  }

  #agentFor(url: URL): Agent {
    const isOwn = url.host === new URL(this.#origin).host;
    const key = `${url.protocol}${isOwn}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const { maxConnectionsPerHost, proxyEnv } = this.#options;
      const options = {
        keepAlive: true,
        maxSockets: maxConnectionsPerHost,
        scheduling: 'lifo' as const,
        timeout: IDLE_CONNECTION_MS,
        ...(proxyEnv === undefined || this.#endpoint.insecure ? {} : { proxyEnv }),
      };
      agent =
        url.protocol === 'https:'
          ? new (process.getBuiltinModule('node:https').Agent)({ ...options, ...this.#certificates(isOwn) })
          : new (process.getBuiltinModule('node:http').Agent)(options);
      this.#agents.set(key, agent);
    }
    return agent;
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }
}

const isTlsFailure = (error: unknown): boolean =>
  error instanceof SlipwayError && error.reason === 'TLS_FAILED';
