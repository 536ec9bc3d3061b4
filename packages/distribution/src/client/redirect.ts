import { SlipwayError } from '@slipway/base';
import { type Dispatch, displayUrl, type HttpRequest, headerOf } from './http.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Headers that are meant for the first host alone. */
const PRIVATE_HEADERS: readonly string[] = ['authorization', 'cookie'];

/**
 * Follows redirects. Whoever is not the origin that was asked does not see its authorization. A request with a body is
 * sent again for 307 and 308 alone; for the others the answer is given as it is.
 * @throws Unavailable for a chain of more than ten, or a target that is no URL
 */
export const followingRedirects =
  (dispatch: Dispatch): Dispatch =>
  async (request) => {
    let current: HttpRequest = request;
    for (let hops = 0; ; hops++) {
      const response = await dispatch(current);
      const location = headerOf(response, 'location');
      if (location === undefined || !isFollowed(current.method, response.status)) return response;
      response.discard();
      const target = resolveTarget(location, current.url);
      if (hops === MAX_REDIRECTS) {
        throw new SlipwayError(
          'Unavailable',
          `${request.method} ${displayUrl(request.url)} is redirected more than ${MAX_REDIRECTS} times, at last to ${displayUrl(target)}`,
          { reason: 'TOO_MANY_REDIRECTS' },
        );
      }
      const isSameOrigin = target.origin === current.url.origin;
      current = {
        ...current,
        url: target,
        ...(isSameOrigin ? {} : { headers: withoutPrivate(current.headers ?? {}) }),
      };
    }
  };

const isFollowed = (method: string, status: number): boolean =>
  method === 'GET' || method === 'HEAD' ? REDIRECTS.has(status) : status === 307 || status === 308;

const withoutPrivate = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.includes(name.toLowerCase())),
  );

/** A `Location`, absolute or relative to what answered. @throws Unavailable */
export function resolveTarget(location: string, base: URL): URL {
  if (!URL.canParse(location, base)) {
    throw new SlipwayError(
      'Unavailable',
      `${displayUrl(base)} redirects to ${location}, which is not a URL`,
      {
        reason: 'BAD_LOCATION',
      },
    );
  }
  const target = new URL(location, base);
  // A registry behind a proxy that ends TLS often does not know that it is asked over HTTPS.
  if (target.host === base.host && base.protocol === 'https:' && target.protocol === 'http:') {
    target.protocol = 'https:';
  }
  target.username = '';
  target.password = '';
  return target;
}
