import { type Clock, isSlipwayError, SlipwayError } from '@slipway/base';
import { z } from 'zod';
import { orAborted } from './abort.ts';
import type { Challenge } from './challenge.ts';
import { answerError, notJson } from './errors.ts';
import {
  type Dispatch,
  displayUrl,
  type HttpRequest,
  type HttpResponse,
  isConnectionLost,
  readAll,
} from './http.ts';
import type { Credentials, RegistryEndpoint } from './registry.ts';
import { parseScopes } from './scopes.ts';

/** What a token service gave. */
export interface IssuedToken {
  readonly token: string;
  readonly lifetimeMs: number;
  /** An OAuth2 refresh token, where one was asked for and given. */
  readonly identityToken: string | undefined;
}

export interface TokenQuery {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** Whether a token that outlives this login is asked for. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal | undefined;
}

const CLIENT_ID = 'slipway';
const ANSWER_MAX_BYTES = 1024 * 1024;
/** Services may not give less, says the specification; many leave it out. */
const MIN_LIFETIME_S = 60;
const MAX_LIFETIME_S = 24 * 3600;
/** Taken off a token's life, so that none runs out on its way. */
const MARGIN_MS = 5_000;

const text = z.string().min(1).optional().catch(undefined);
const tokenSchema = z.looseObject({
  token: text,
  access_token: text,
  refresh_token: text,
  expires_in: z.number().finite().optional().catch(undefined),
  issued_at: text,
});

/**
 * The token service of a challenge.
 * @throws Unauthenticated for a realm that is no URL, or one to which credentials would go in the clear
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export function parseBearerChallenge(challenge: Challenge, registry: string, endpoint: RegistryEndpoint) {
  const { realm = '', service, scope } = challenge.parameters;
  if (!URL.canParse(realm)) {
    throw new SlipwayError(
      'Unauthenticated',
      `registry ${registry} asks for a token from "${realm}", which is not a URL`,
      { reason: 'UNAUTHORIZED' },
    );
  }
  const url = new URL(realm);
  const mayBePlain = endpoint.insecure || endpoint.url.startsWith('http:');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && mayBePlain)) {
    throw new SlipwayError(
      'Unauthenticated',
      `registry ${registry} wants its tokens fetched from ${displayUrl(url)}, which is not HTTPS`,
      { reason: 'UNAUTHORIZED' },
    );
  }
  return { realm: url, service, scopes: parseScopes(scope) };
}

/** Asks a token service, with the credentials where there are some. @throws Unauthenticated, Unavailable */
export async function fetchToken(
  query: TokenQuery,
  credentials: Credentials | undefined,
  dispatch: Dispatch,
  { clock, registry }: { readonly clock: Clock; readonly registry: string },
): Promise<IssuedToken> {
  const { identityToken, password } = credentials ?? {};
  const ask = (request: HttpRequest) =>
    dispatch(request).catch((error) => rethrowLost(error, query, registry));
  let response: HttpResponse;
  if (identityToken !== undefined) {
    response = await ask(refreshRequest(query, identityToken));
    const isUnknownHere = response.status === 404 || response.status === 405;
    if (isUnknownHere && password !== undefined) {
      response.discard();
      response = await ask(basicRequest(query, credentials));
    }
  } else {
    response = await ask(basicRequest(query, credentials));
  }
  if (response.status !== 200) throw await tokenRefused(response, query, credentials, registry);
  return readToken(response, clock, registry);
}

/** With a reason of its own: it was tried as often as is worth it, and must not be with the request that wants the token. */
function rethrowLost(error: unknown, query: TokenQuery, registry: string): never {
  if (!isConnectionLost(error) || !isSlipwayError(error)) throw error;
  throw new SlipwayError(
    'Unavailable',
    `registry ${registry}: its token service ${query.realm.host} does not answer${forScopes(query)}: ${error.message}`,
    { reason: 'TOKEN_SERVICE_LOST', cause: error },
  );
}

const forScopes = ({ scopes }: TokenQuery): string => (scopes.length === 0 ? '' : ` for ${scopes.join(' ')}`);

function basicRequest(query: TokenQuery, credentials: Credentials | undefined): HttpRequest {
  const url = new URL(query.realm);
  if (query.service !== undefined) url.searchParams.set('service', query.service);
  for (const scope of query.scopes) url.searchParams.append('scope', scope);
  const authorization = basicAuthorization(credentials);
  if (authorization !== undefined) url.searchParams.set('account', credentials?.username ?? '');
  if (query.offline === true) {
    url.searchParams.set('offline_token', 'true');
    url.searchParams.set('client_id', CLIENT_ID);
  }
  return {
    method: 'GET',
    url,
    headers: authorization === undefined ? {} : { authorization },
    signal: query.signal,
  };
}

/** @see https://distribution.github.io/distribution/spec/auth/oauth/ */
function refreshRequest(query: TokenQuery, identityToken: string): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: identityToken,
    client_id: CLIENT_ID,
    service: query.service ?? '',
  });
  if (query.scopes.length > 0) form.set('scope', query.scopes.join(' '));
  return {
    method: 'POST',
    url: query.realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
    canRepeat: true,
    signal: query.signal,
  };
}

/** `Basic …`, where there is a name. */
export function basicAuthorization(credentials: Credentials | undefined): string | undefined {
  if (credentials?.username === undefined || credentials.username === '') return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password ?? ''}`).toString('base64')}`;
}

async function tokenRefused(
  response: HttpResponse,
  query: TokenQuery,
  credentials: Credentials | undefined,
  registry: string,
): Promise<SlipwayError> {
  const who =
    credentials?.username === undefined || credentials.username === ''
      ? credentials?.identityToken === undefined
        ? 'access without login'
        : 'the identity token'
      : `the login of ${credentials.username}`;
  const isRefusal = response.status >= 400 && response.status < 500 && response.status !== 429;
  return answerError(response, {
    place: `registry ${registry}`,
    action: `its token service ${query.realm.host} refused ${who}${forScopes(query)}`,
    ...(isRefusal ? { code: 'Unauthenticated' as const, reason: 'UNAUTHORIZED' } : {}),
  });
}

async function readToken(response: HttpResponse, clock: Clock, registry: string): Promise<IssuedToken> {
  const bytes = await readAll(response, ANSWER_MAX_BYTES);
  let answer: z.infer<typeof tokenSchema>;
  try {
    answer = tokenSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    // Without the cause: its text may quote the token.
    throw notJson(response, `registry ${registry}: its token service`);
  }
  const token = answer.token ?? answer.access_token;
  if (token === undefined) {
    throw new SlipwayError(
      'Unauthenticated',
      `registry ${registry}: its token service ${response.url.host} answered without a token`,
      { reason: 'UNAUTHORIZED' },
    );
  }
  return { token, lifetimeMs: lifetimeMs(answer, response, clock), identityToken: answer.refresh_token };
}

/** What is left of the token's life: one that was not issued just now has lived for a while. */
function lifetimeMs(answer: z.infer<typeof tokenSchema>, response: HttpResponse, clock: Clock): number {
  const seconds = Math.min(MAX_LIFETIME_S, Math.max(MIN_LIFETIME_S, answer.expires_in ?? 0));
  // By the service's own clock, where it tells: ours may differ.
  const sentMs = Date.parse(response.headers.date ?? '');
  const issuedMs = Date.parse(answer.issued_at ?? '');
  const nowMs = Number.isNaN(sentMs) ? clock.nowMs() : sentMs;
  const ageMs = Number.isNaN(issuedMs) ? 0 : Math.max(0, nowMs - issuedMs);
  return Math.max(0, seconds * 1000 - ageMs - MARGIN_MS);
}

/** Tokens that were issued, for as long as they live; of the same token only one is asked for at a time. */
export class TokenCache {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { token: Promise<string>; expiresMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The token of this key, or a new one. `fetch` is shared: it must not end because one who waits goes. */
  get(key: string, fetch: () => Promise<IssuedToken>, signal: AbortSignal | undefined): Promise<string> {
    const known = this.#entries.get(key);
    if (known !== undefined && this.#clock.monotonicMs() < known.expiresMs)
      return orAborted(known.token, signal);
    this.#prune();
    const entry = { token: Promise.resolve(''), expiresMs: Number.POSITIVE_INFINITY };
    entry.token = fetch().then(
      ({ token, lifetimeMs: ms }) => {
        entry.expiresMs = this.#clock.monotonicMs() + ms;
        return token;
      },
      (error: unknown) => {
        this.#forgetEntry(key, entry);
        throw error;
      },
    );
    // Nobody may wait any more when it fails.
    entry.token.catch(() => {});
    this.#entries.set(key, entry);
    return orAborted(entry.token, signal);
  }

  /** The registry does not take this token. */
  async forget(key: string, refused: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry !== undefined && (await entry.token.catch(() => undefined)) === refused)
      this.#forgetEntry(key, entry);
  }

  #forgetEntry(key: string, entry: { token: Promise<string> }): void {
    if (this.#entries.get(key)?.token === entry.token) this.#entries.delete(key);
  }

  #prune(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { expiresMs }] of this.#entries) if (expiresMs <= nowMs) this.#entries.delete(key);
  }
}
