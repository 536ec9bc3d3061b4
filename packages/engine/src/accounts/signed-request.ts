import { SlipwayError } from '@slipway/base';
import type { Visitor } from '@slipway/distribution/server';
import { type RouteRequest, verifySigV4 } from '@slipway/http';
import type { Accounts } from './accounts.ts';

export interface SignedRequestRules {
  /** What the signature must be made for: `lambda`. */
  readonly service: string;
  readonly nowMs: number;
  /** The exception for a signature that is made for another service. */
  readonly scopeException: string;
  readonly allowsUnsignedBody?: boolean;
}

/**
 * Whose access key signed a request of the tools of AWS, and for what region.
 * @throws Unauthenticated with AWS's exception as its reason; PermissionDenied for another service's signature
 */
export function admitSigned(
  accounts: Pick<Accounts, 'findAccessKey' | 'visitor'>,
  { method, path, query, headers }: RouteRequest,
  body: Uint8Array,
  { service, nowMs, scopeException, allowsUnsignedBody = false }: SignedRequestRules,
): { readonly visitor: Visitor; readonly region: string } {
  const signed = verifySigV4(
    { method, path, query, headers, body },
    { findSecret: (id) => accounts.findAccessKey(id)?.secretAccessKey, nowMs, allowsUnsignedBody },
  );
  if (signed.service !== service) {
    throw new SlipwayError(
      'PermissionDenied',
      `Credential should be scoped to correct service: '${service}', not '${signed.service}'`,
      { reason: scopeException },
    );
  }
  // Found a moment ago, or the signature had not been right.
  const account = accounts.findAccessKey(signed.accessKeyId)?.account ?? '';
  return { visitor: accounts.visitor(account), region: signed.region };
}
