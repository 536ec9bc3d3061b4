import { collectBytes, isSlipwayError, SlipwayError } from '@slipway/base';
import type { RouteRequest } from './route.ts';

/** What a signature says of itself, before anything of it is verified. */
export interface ClaimedScope {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
}

const SCOPE = /^([^/,\s]{1,128})\/\d{8}\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request$/;

/** Undefined for a request that is not signed. */
export function claimedScope(
  headers: RouteRequest['headers'],
  query?: URLSearchParams,
): ClaimedScope | undefined {
  const credential =
    /Credential=([^,\s]+)/.exec(headers['authorization'] ?? '')?.[1] ?? query?.get('X-Amz-Credential') ?? '';
  const [, accessKeyId, region, service] = SCOPE.exec(credential) ?? [];
  if (accessKeyId === undefined || region === undefined || service === undefined) return undefined;
  return { accessKeyId, region, service };
}

/** The client's own word for us, as it goes into names and URLs; `localhost` when it is none. */
export function hostOf({ headers }: Pick<RouteRequest, 'headers'>): string {
  const host = headers['host'] ?? '';
  return /^[\w.:[\]-]{1,255}$/.test(host) ? host : 'localhost';
}

/** The whole body. @throws InvalidArgument with `exception` as its reason when it has more bytes */
export async function readAwsBody(
  { body }: Pick<RouteRequest, 'body'>,
  { maxBytes, exception }: { readonly maxBytes: number; readonly exception: string },
): Promise<Buffer> {
  try {
    return await collectBytes(body, maxBytes);
  } catch (cause) {
    if (!isSlipwayError(cause, 'ResourceExhausted')) throw cause;
    throw new SlipwayError('InvalidArgument', `the request has more than ${maxBytes} bytes`, {
      cause,
      reason: exception,
    });
  }
}
