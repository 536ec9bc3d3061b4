import { type ErrorCode, errorMessage, type Random, SlipwayError } from '@slipway/base';
import { type Headers, json, type Reply } from '../reply.ts';
import type { Dialect } from './dialect.ts';

/** AWS's common errors. What the client did is 400 in the JSON protocols, whatever it was. */
const ANSWER_OF = {
  NotFound: { status: 400, type: 'ResourceNotFoundException' },
  InvalidArgument: { status: 400, type: 'InvalidParameterException' },
  AlreadyExists: { status: 400, type: 'ResourceAlreadyExistsException' },
  Conflict: { status: 400, type: 'ConflictException' },
  FailedPrecondition: { status: 400, type: 'ValidationException' },
  Unauthenticated: { status: 400, type: 'UnrecognizedClientException' },
  PermissionDenied: { status: 400, type: 'AccessDeniedException' },
  ResourceExhausted: { status: 400, type: 'LimitExceededException' },
  Unavailable: { status: 503, type: 'ServiceUnavailableException' },
  NotImplemented: { status: 400, type: 'UnknownOperationException' },
  NotModified: { status: 304, type: 'NotModifiedException' },
  Canceled: { status: 400, type: 'RequestCanceledException' },
  DeadlineExceeded: { status: 400, type: 'RequestTimeoutException' },
  DataLoss: { status: 500, type: 'ServerException' },
  Internal: { status: 500, type: 'ServerException' },
} as const satisfies Record<ErrorCode, { status: number; type: string }>;

/** An exception of AWS's as an error's `reason`. */
const EXCEPTION = /^[A-Z][A-Za-z]+(?:Exception|Fault|Error)$/;

/**
 * How the AWS tools are answered, in AWS JSON. An error whose `reason` is an exception's name is that exception.
 * @see https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
 */
export function awsJsonDialect({ version, random }: { version: '1.0' | '1.1'; random: Random }): Dialect {
  const contentType = `application/x-amz-json-${version}`;
  return {
    headers: () => ({ 'Content-Type': contentType, 'x-amzn-RequestId': requestId(random) }),
    error: errorReply,
    notFound: () =>
      exception(404, 'UnknownOperationException', 'there is no such operation: X-Amz-Target names it'),
  };
}

function errorReply(error: unknown): Reply {
  if (!(error instanceof SlipwayError)) return exception(500, 'ServerException', 'internal error');
  const { status, type } = ANSWER_OF[error.code];
  const named = error.reason !== undefined && EXCEPTION.test(error.reason) ? error.reason : type;
  return exception(status, named, errorMessage(error));
}

function exception(status: number, type: string, message: string): Reply {
  const headers: Headers = { 'x-amzn-ErrorType': type };
  return json(status, { __type: type, message }, headers);
}

/** A UUID of version 4. */
function requestId(random: Random): string {
  const hex = random.hex(16);
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}
