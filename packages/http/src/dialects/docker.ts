import { type ErrorBody, type ProgressMessage, progressLines } from '@slipway/api/docker';
import { type ErrorCode, errorMessage, SlipwayError } from '@slipway/base';
import { empty, json, type Reply, stream } from '../reply.ts';
import type { VersionRange } from '../version.ts';
import type { Dialect } from './dialect.ts';

/** The Docker Engine API versions that Slipway serves. */
export const DOCKER_API: VersionRange = { oldest: '1.24', newest: '1.51' };

/** @see moby errdefs/http_helpers.go */
const STATUS_OF = {
  NotFound: 404,
  InvalidArgument: 400,
  AlreadyExists: 409,
  Conflict: 409,
  FailedPrecondition: 409,
  Unauthenticated: 401,
  PermissionDenied: 403,
  ResourceExhausted: 500,
  Unavailable: 503,
  NotImplemented: 501,
  NotModified: 304,
  Canceled: 500,
  DeadlineExceeded: 500,
  DataLoss: 500,
  Internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Where Docker answers another status than the code alone would say. */
const STATUS_OF_REASON: Readonly<Record<string, number>> = { PORT_IN_USE: 500 };

/** How Docker's clients are answered. `version` is Slipway's own. */
export function dockerDialect(version: string): Dialect {
  const headers = {
    'Api-Version': DOCKER_API.newest,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: `Slipway/${version} (linux)`,
  };
  return {
    versions: DOCKER_API,
    headers: () => headers,
    error: errorReply,
    notFound: () => message(404, 'page not found'),
  };
}

/** What load, pull, push and build answer: a line for each message, and the error, if there is one, as the last. */
export const progress = (messages: AsyncIterable<ProgressMessage>): Reply =>
  stream(200, 'application/json', progressLines(messages));

function errorReply(error: unknown): Reply {
  const status = statusOf(error);
  return status === 304 ? empty(304) : message(status, errorMessage(error));
}

function statusOf(error: unknown): number {
  if (!(error instanceof SlipwayError)) return 500;
  return STATUS_OF_REASON[error.reason ?? ''] ?? STATUS_OF[error.code];
}

const message = (status: number, text: string): Reply => json(status, { message: text } satisfies ErrorBody);
