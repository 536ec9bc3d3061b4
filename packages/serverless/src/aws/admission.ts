import { type Clock, SlipwayError } from '@slipway/base';
import { type Accounts, admitSigned } from '@slipway/engine/accounts';
import { claimedScope, type RouteRequest } from '@slipway/http';
import type { AwsCaller } from './operation.ts';

/** How callers reach the operations: what they must show. */
export interface AwsDoor {
  readonly clock: Clock;
  /**
   * `signature`: that of an access key of `accounts`, also while there are no accounts; `any-signature`: of whatever key, in
   * development; `socket`: nothing, because the rights of the Unix socket are the lock.
   */
  readonly asks: 'signature' | 'any-signature' | 'socket';
  readonly accounts: Pick<Accounts, 'findAccessKey' | 'visitor'>;
}

/** Who is at the door. */
export interface Admitted {
  readonly caller: AwsCaller;
  readonly region: string;
}

const DEFAULT_REGION = 'us-east-1';
const ROOT: AwsCaller = { kind: 'root' };

/**
 * Turns away, before its body is read, who has no access key.
 * @throws Unauthenticated MissingAuthenticationTokenException, UnrecognizedClientException
 */
export function knock({ asks, accounts }: AwsDoor, { headers, query }: RouteRequest): void {
  if (asks === 'socket') return;
  if (headers['authorization'] === undefined && !query.has('X-Amz-Algorithm')) {
    throw refuse(
      'MissingAuthenticationTokenException',
      'Missing Authentication Token: the request is not signed; "slipway iam create-access-key" makes an access key',
    );
  }
  if (asks === 'any-signature') return;
  const scope = claimedScope(headers, query);
  if (scope !== undefined && accounts.findAccessKey(scope.accessKeyId) === undefined) {
    throw refuse(
      'UnrecognizedClientException',
      'The security token included in the request is invalid: there is no such access key here; "slipway iam create-access-key" makes one',
    );
  }
}

/**
 * What an account's grants say is about repositories alone: functions run code, and are an administrator's.
 * @throws Unauthenticated with AWS's exception; PermissionDenied InvalidSignatureException for another service's signature,
 * AccessDeniedException for an account that is no administrator
 */
export function admit(
  { asks, accounts, clock }: AwsDoor,
  request: RouteRequest,
  body: Uint8Array,
  { service, operation }: { readonly service: string; readonly operation: string },
): Admitted {
  if (asks !== 'signature') {
    const region = claimedScope(request.headers, request.query)?.region ?? DEFAULT_REGION;
    return { caller: ROOT, region };
  }
  const { visitor, region } = admitSigned(accounts, request, body, {
    service,
    nowMs: clock.nowMs(),
    scopeException: 'InvalidSignatureException',
    allowsUnsignedBody: true,
  });
  const name = visitor.name ?? '';
  if (!visitor.isAdmin) {
    throw new SlipwayError(
      'PermissionDenied',
      `User: ${name} is not authorized to perform: ${service}:${operation}: the account must be an administrator`,
      { reason: 'AccessDeniedException' },
    );
  }
  return { caller: { kind: 'account', name, isAdmin: true }, region };
}

const refuse = (reason: string, message: string) => new SlipwayError('Unauthenticated', message, { reason });
