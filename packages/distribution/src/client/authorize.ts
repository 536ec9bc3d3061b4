import { type Clock, SlipwayError } from '@slipway/base';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Dispatch, type HttpRequest, type HttpResponse, headerOf } from './http.ts';
import type { Credentials, RegistryEndpoint } from './registry.ts';
import { coversScopes, mergeScopes } from './scopes.ts';
import { basicAuthorization, fetchToken, parseBearerChallenge, TokenCache } from './tokens.ts';

export interface AuthorizerOptions {
  readonly endpoint: RegistryEndpoint;
  /** As errors name it. */
  readonly registry: string;
  readonly credentials: Credentials | undefined;
  readonly clock: Clock;
  /** Carries requests to the token service. */
  readonly dispatch: Dispatch;
  /** Ends with the client. */
  readonly signal: AbortSignal;
}

/** Requests that are answered with 401 are sent at most this often, the first among them. */
const MAX_ATTEMPTS = 3;

type BearerService = { readonly realm: URL; readonly service: string | undefined };

/**
 * Lets one login into one endpoint: answers its challenges, and sends what worked with the next request at once. A
 * request that stays unauthorized is given back with its 401.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #origin: string;
  readonly #tokens: TokenCache;
  /** How the endpoint wants to be asked; undefined until its first challenge. */
  #way:
    | { readonly scheme: 'basic' }
    | { readonly scheme: 'bearer'; readonly service: BearerService }
    | undefined;
  /** By the scopes of a request, what the registry wanted for it. */
  readonly #wanted = new Map<string, readonly string[]>();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#origin = new URL(options.endpoint.url).origin;
    this.#tokens = new TokenCache(options.clock);
  }

  /** @throws Unauthenticated when the token service refuses, or the registry wants what is not known here */
  wrap(dispatch: Dispatch): Dispatch {
    return async (request) => {
      if (request.url.origin !== this.#origin) return dispatch(request);
      const own = mergeScopes(request.scopes ?? []);
      for (let attempt = 1; ; attempt++) {
        const scopes = this.#wanted.get(own.join(' ')) ?? own;
        const authorization = await this.#authorization(scopes, request.signal);
        const response = await dispatch(withAuthorization(request, authorization));
        const isOwnAnswer = response.url.origin === this.#origin;
        if (response.status !== 401 || !isOwnAnswer || attempt === MAX_ATTEMPTS) return response;
        let isWorthwhile: boolean;
        try {
          isWorthwhile = await this.#learn(response, own, scopes, authorization);
        } catch (error) {
          response.discard();
          throw error;
        }
        if (!isWorthwhile) return response;
        response.discard();
      }
    };
  }

  async #authorization(
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    if (this.#way === undefined) return undefined;
    const { credentials } = this.#options;
    if (this.#way.scheme === 'basic') return basicAuthorization(credentials);
    if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`;
    return `Bearer ${await this.#token(this.#way.service, scopes, signal)}`;
  }

  #token(
    service: BearerService,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { credentials, dispatch, clock, registry } = this.#options;
    const fetch = () =>
      fetchToken({ ...service, scopes, signal: this.#options.signal }, credentials, dispatch, {
        clock,
        registry,
      });
    return this.#tokens.get(tokenKey(service, scopes), fetch, signal);
  }

  /** Takes a challenge in. Whether another attempt can go better than the one that had `authorization`. */
  async #learn(
    response: HttpResponse,
    own: readonly string[],
    had: readonly string[],
    authorization: string | undefined,
  ): Promise<boolean> {
    const { credentials, registry, endpoint } = this.#options;
    const challenges = parseChallenges(headerOf(response, 'www-authenticate') ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer === undefined) return this.#learnBasic(challenges, authorization);
    const { realm, service, scopes } = parseBearerChallenge(bearer, registry, endpoint);
    const isNewWay =
      this.#way?.scheme !== 'bearer' ||
      this.#way.service.realm.href !== realm.href ||
      this.#way.service.service !== service;
    this.#way = { scheme: 'bearer', service: { realm, service } };
    if (credentials?.registryToken !== undefined) return authorization === undefined;
    const wantsMore = !coversScopes(had, scopes);
    if (wantsMore) this.#wanted.set(own.join(' '), mergeScopes(had, scopes));
    if (isNewWay || wantsMore || authorization === undefined) return true;
    // Revoked, or the registry was restarted with another key: a fresh one may do. A token that lacks rights will not.
    await this.#tokens.forget(tokenKey({ realm, service }, had), authorization.slice('Bearer '.length));
    return bearer.parameters['error'] !== 'insufficient_scope';
  }

  #learnBasic(challenges: readonly Challenge[], authorization: string | undefined): boolean {
    if (challenges.some(({ scheme }) => scheme === 'basic')) {
      this.#way = { scheme: 'basic' };
      const next = basicAuthorization(this.#options.credentials);
      return next !== undefined && next !== authorization;
    }
    if (challenges.length === 0) return false;
    throw new SlipwayError(
      'Unauthenticated',
      `registry ${this.#options.registry} asks for authorization by ${challenges.map(({ scheme }) => scheme).join(', ')}, but only Bearer and Basic are known here`,
      { reason: 'UNAUTHORIZED' },
    );
  }
}

const tokenKey = ({ realm, service }: BearerService, scopes: readonly string[]): string =>
  JSON.stringify([realm.href, service, scopes]);

const withAuthorization = (request: HttpRequest, authorization: string | undefined): HttpRequest =>
  authorization === undefined ? request : { ...request, headers: { ...request.headers, authorization } };
