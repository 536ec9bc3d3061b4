import { SlipwayError } from '@slipway/base';

/** What an `Authorization` header carries. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly name: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** @throws Unauthenticated for a header that is neither Basic nor Bearer @see RFC 7617, RFC 6750 */
export function parseAuthorization(header: string | undefined): Credentials {
  if (header === undefined || header === '') return { kind: 'none' };
  const [, scheme = '', value = ''] = /^(\S+)\s+(\S+)\s*$/.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case 'bearer':
      return { kind: 'bearer', token: value };
    case 'basic': {
      const text = Buffer.from(value, 'base64').toString('utf8');
      const at = text.indexOf(':');
      if (at !== -1) return { kind: 'basic', name: text.slice(0, at), password: text.slice(at + 1) };
    }
  }
  throw new SlipwayError(
    'Unauthenticated',
    'the Authorization header must be Basic NAME:PASSWORD or Bearer TOKEN',
    {
      reason: 'UNAUTHORIZED',
    },
  );
}
