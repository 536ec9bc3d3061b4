import { type ErrorCode, errorMessage, SlipwayError } from '@slipway/base';
import { type Headers, type JsonReply, json } from '../reply.ts';
import type { Dialect } from './dialect.ts';

/** The specification's codes and their status. @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes */
const STATUS_OF_REASON: Readonly<Record<string, number>> = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  SIZE_INVALID: 400,
  TAG_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
};

/** What an error without one of the specification's codes is called. */
const ANSWER_OF = {
  NotFound: { status: 404, code: 'NAME_UNKNOWN' },
  InvalidArgument: { status: 400, code: 'UNSUPPORTED' },
  AlreadyExists: { status: 409, code: 'DENIED' },
  Conflict: { status: 409, code: 'DENIED' },
  FailedPrecondition: { status: 409, code: 'DENIED' },
  Unauthenticated: { status: 401, code: 'UNAUTHORIZED' },
  PermissionDenied: { status: 403, code: 'DENIED' },
  ResourceExhausted: { status: 413, code: 'SIZE_INVALID' },
  Unavailable: { status: 503, code: 'UNAVAILABLE' },
  NotImplemented: { status: 405, code: 'UNSUPPORTED' },
  NotModified: { status: 304, code: 'UNKNOWN' },
  Canceled: { status: 499, code: 'UNKNOWN' },
  DeadlineExceeded: { status: 504, code: 'UNAVAILABLE' },
  DataLoss: { status: 500, code: 'UNKNOWN' },
  Internal: { status: 500, code: 'UNKNOWN' },
} as const satisfies Record<ErrorCode, { status: number; code: string }>;

const HEADERS: Headers = { 'Docker-Distribution-API-Version': 'registry/2.0' };

/**
 * How the clients of a registry are answered.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
 */
export const ociDialect = (): Dialect => ({
  headers: () => HEADERS,
  error: (error) => ociErrorReply(error),
  notFound: () => errors(404, 'UNSUPPORTED', 'page not found'),
});

/**
 * The reply that tells of an error; for a handler that must add headers to it, as `WWW-Authenticate` or `Range`. What no
 * SlipwayError says stays inside: its message may name paths of this machine.
 */
export function ociErrorReply(error: unknown, headers: Headers = {}): JsonReply {
  if (!(error instanceof SlipwayError)) return errors(500, 'UNKNOWN', 'internal error', headers);
  const { status, code } = ANSWER_OF[error.code];
  const reason = error.reason ?? '';
  // What is pushed is not too large; this disk is too full for it.
  if (reason === 'ENOSPC') return errors(507, 'UNKNOWN', errorMessage(error), headers);
  const known = STATUS_OF_REASON[reason];
  if (known === undefined) return errors(status, code, errorMessage(error), headers);
  const tooLarge = reason === 'SIZE_INVALID' && error.code === 'ResourceExhausted';
  return errors(tooLarge ? 413 : known, reason, errorMessage(error), headers);
}

const errors = (status: number, code: string, message: string, headers: Headers = {}): JsonReply =>
  json(status, { errors: [{ code, message }] }, headers);
