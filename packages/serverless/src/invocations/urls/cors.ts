import { empty, type Reply } from '@slipway/http';
import type { UrlCors } from '../../functions/index.ts';

type RequestHeaders = Readonly<Record<string, string | undefined>>;

/** What a browser asks before it sends a request across origins; undefined when this is no such question. */
export function preflight(
  cors: UrlCors | undefined,
  method: string,
  headers: RequestHeaders,
): Reply | undefined {
  if (cors === undefined || method !== 'OPTIONS') return undefined;
  if (headers['origin'] === undefined || headers['access-control-request-method'] === undefined) {
    return undefined;
  }
  const allowed = originHeaders(cors, headers);
  if (allowed === undefined) return empty(200, { vary: 'Origin' });
  return empty(200, {
    ...allowed,
    ...listHeader('access-control-allow-methods', cors.allowMethods),
    ...listHeader('access-control-allow-headers', cors.allowHeaders),
    ...(cors.maxAgeSeconds === undefined ? {} : { 'access-control-max-age': String(cors.maxAgeSeconds) }),
  });
}

/** What goes onto the answer to the request itself; the function's own headers of CORS give way to it. */
export function corsHeaders(cors: UrlCors | undefined, headers: RequestHeaders): Record<string, string> {
  if (cors === undefined || headers['origin'] === undefined) return {};
  const allowed = originHeaders(cors, headers);
  if (allowed === undefined) return {};
  return { ...allowed, ...listHeader('access-control-expose-headers', cors.exposeHeaders) };
}

export const isCorsHeader = (name: string): boolean => name.startsWith('access-control-');

/** Undefined when the origin is not allowed. */
function originHeaders(cors: UrlCors, headers: RequestHeaders): Record<string, string> | undefined {
  const origin = headers['origin'] ?? '';
  const isAny = cors.allowOrigins.includes('*');
  if (!isAny && !cors.allowOrigins.some((allowed) => isOrigin(allowed, origin))) return undefined;
  // With credentials a browser takes no asterisk.
  return isAny && !cors.allowCredentials
    ? { 'access-control-allow-origin': '*' }
    : {
        'access-control-allow-origin': origin,
        vary: 'Origin',
        ...(cors.allowCredentials ? { 'access-control-allow-credentials': 'true' } : {}),
      };
}

/** An asterisk stands for a part of a name: `https://*.example.com`. */
function isOrigin(allowed: string, origin: string): boolean {
  if (!allowed.includes('*')) return allowed.toLowerCase() === origin.toLowerCase();
  const pattern = allowed
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^/]*');
  return new RegExp(`^${pattern}$`, 'i').test(origin);
}

const listHeader = (name: string, values: readonly string[]): Record<string, string> =>
  values.length === 0 ? {} : { [name]: values.join(',') };
