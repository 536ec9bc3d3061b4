import { isSlipwayError, SlipwayError } from '@slipway/base';
import { parseChallenges } from './challenge.ts';
import { answerError, htmlAnswer } from './errors.ts';
import { contentTypeOf, type Dispatch, type HttpResponse, headerOf } from './http.ts';
import type { Credentials, RegistryEndpoint } from './registry.ts';
import { type ClientContext, urlOf } from './session.ts';
import { basicAuthorization, fetchToken, parseBearerChallenge } from './tokens.ts';

export interface LoginTarget {
  readonly endpoint: RegistryEndpoint;
  readonly domain: string;
  /** Follows redirects and tries again, and adds no authorization. */
  readonly dispatch: Dispatch;
  readonly context: ClientContext;
}

/**
 * Asks the registry's front door with the credentials, through its token service where it has one.
 * @returns a refresh token, where the service gives one
 * @throws Unauthenticated naming the registry; Unavailable for what is no registry
 * @see https://distribution.github.io/distribution/spec/auth/token/
 */
export async function proveLogin(
  target: LoginTarget,
  credentials: Credentials,
  signal: AbortSignal | undefined,
): Promise<{ readonly identityToken: string | undefined }> {
  const { domain, dispatch, endpoint, context } = target;
  const place = `registry ${domain}`;
  const url = urlOf({ endpoint, place, dispatch, context }, '');
  const door = await dispatch({ method: 'GET', url, signal });
  if (door.status !== 401) {
    await expectRegistry(door, place);
    return { identityToken: undefined };
  }
  door.discard();
  const challenges = parseChallenges(headerOf(door, 'www-authenticate') ?? '');
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  let authorization: string | undefined;
  let identityToken: string | undefined;
  if (bearer !== undefined && credentials.registryToken === undefined) {
    const { realm, service } = parseBearerChallenge(bearer, domain, endpoint);
    const query = { realm, service, scopes: [], offline: true, signal };
    const issued = await fetchToken(query, credentials, dispatch, { clock: context.clock, registry: domain });
    authorization = `Bearer ${issued.token}`;
    identityToken = issued.identityToken;
  } else if (bearer !== undefined) {
    authorization = `Bearer ${credentials.registryToken}`;
  } else if (challenges.some(({ scheme }) => scheme === 'basic')) {
    authorization = basicAuthorization(credentials);
  }
  if (authorization === undefined) throw notLetIn(place, challenges.length);
  const answer = await dispatch({ method: 'GET', url, headers: { authorization }, signal });
  await expectRegistry(answer, place);
  return { identityToken };
}

async function expectRegistry(response: HttpResponse, place: string): Promise<void> {
  if (response.status === 200 && contentTypeOf(response) !== 'text/html') {
    response.discard();
    return;
  }
  if (response.status === 200 || (response.status === 404 && contentTypeOf(response) === 'text/html')) {
    response.discard();
    throw htmlAnswer(response, place, 'as a registry does');
  }
  const error = await answerError(response, { place, action: 'login failed' });
  // Whoever is refused at the front door is not let in at all.
  throw isSlipwayError(error, 'PermissionDenied')
    ? new SlipwayError('Unauthenticated', error.message, { reason: error.reason ?? 'DENIED', cause: error })
    : error;
}

const notLetIn = (place: string, offered: number): SlipwayError =>
  new SlipwayError(
    'Unauthenticated',
    offered === 0
      ? `${place}: login failed: the registry refuses everybody and does not say how to log in`
      : `${place}: login failed: unauthorized: a user name is needed`,
    { reason: 'UNAUTHORIZED' },
  );
