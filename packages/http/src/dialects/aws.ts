import { AwsCodec, type AwsService, type WireResponse } from '@slipway/api/aws';
import { type ErrorCode, errorMessage, type Random, SlipwayError } from '@slipway/base';
import { bytes, empty, type Headers, json, type Reply, stream } from '../reply.ts';
import type { Dialect } from './dialect.ts';

/** AWS's common errors. In the JSON protocols what the client did is 400, whatever it was; in REST the status tells. */
const ANSWER_OF = {
  NotFound: { status: 400, restStatus: 404, type: 'ResourceNotFoundException' },
  InvalidArgument: { status: 400, restStatus: 400, type: 'InvalidParameterException' },
  AlreadyExists: { status: 400, restStatus: 409, type: 'ResourceAlreadyExistsException' },
  Conflict: { status: 400, restStatus: 409, type: 'ConflictException' },
  FailedPrecondition: { status: 400, restStatus: 400, type: 'ValidationException' },
  Unauthenticated: { status: 400, restStatus: 403, type: 'UnrecognizedClientException' },
  PermissionDenied: { status: 400, restStatus: 403, type: 'AccessDeniedException' },
  ResourceExhausted: { status: 400, restStatus: 429, type: 'LimitExceededException' },
  Unavailable: { status: 503, restStatus: 503, type: 'ServiceUnavailableException' },
  NotImplemented: { status: 400, restStatus: 400, type: 'UnknownOperationException' },
  NotModified: { status: 304, restStatus: 304, type: 'NotModifiedException' },
  Canceled: { status: 400, restStatus: 400, type: 'RequestCanceledException' },
  DeadlineExceeded: { status: 400, restStatus: 408, type: 'RequestTimeoutException' },
  DataLoss: { status: 500, restStatus: 500, type: 'ServerException' },
  Internal: { status: 500, restStatus: 500, type: 'ServerException' },
} as const satisfies Record<ErrorCode, { status: number; restStatus: number; type: string }>;

/** An exception of AWS's as an error's `reason`. */
const EXCEPTION = /^[A-Z][A-Za-z0-9]+(?:Exception|Fault|Error)$/;

/**
 * How the AWS tools are answered, in AWS JSON. An error whose `reason` is an exception's name is that exception.
 * @see https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
 */
export function awsJsonDialect({ version, random }: { version: '1.0' | '1.1'; random: Random }): Dialect {
  const contentType = `application/x-amz-json-${version}`;
  return {
    headers: () => ({ 'Content-Type': contentType, 'x-amzn-RequestId': awsRequestId(random) }),
    error: (error) => {
      if (!(error instanceof SlipwayError)) return exception(500, 'ServerException', 'internal error');
      const { status, type } = ANSWER_OF[error.code];
      const named = error.reason !== undefined && EXCEPTION.test(error.reason) ? error.reason : type;
      return exception(status, named, errorMessage(error));
    },
    notFound: () =>
      exception(404, 'UnknownOperationException', 'there is no such operation: X-Amz-Target names it'),
  };
}

/** A dialect whose errors can be told under the id of the request that they are about. */
export interface AwsServiceDialect extends Dialect {
  readonly codec: AwsCodec;
}

/**
 * How the clients of one service are answered, in its protocol, REST-JSON or AWS JSON: exceptions as they are modelled, an
 * error's `details` as their further members.
 * @see https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
 */
export function awsServiceDialect(service: AwsService, random: Random): AwsServiceDialect {
  const codec = new AwsCodec(service);
  const { table } = service;
  const isRest = table.protocol === 'restJson1';
  const tell = (error: SlipwayError): Reply => {
    const answer = ANSWER_OF[error.code];
    const isNamed =
      error.reason !== undefined && (error.reason in table.errors || EXCEPTION.test(error.reason));
    const name = isNamed ? (error.reason ?? '') : (service.exceptions[error.code] ?? answer.type);
    const status = isRest ? answer.restStatus : answer.status;
    return awsReply(codec.encodeError(name, status, { ...error.details, message: errorMessage(error) }));
  };
  return {
    codec,
    headers: () => ({ 'x-amzn-RequestId': awsRequestId(random) }),
    error: (error) =>
      tell(error instanceof SlipwayError ? error : new SlipwayError('Internal', 'internal error')),
    notFound: () =>
      awsReply(
        codec.encodeError('UnknownOperationException', 404, {
          message: isRest
            ? `${table.title} has no operation with this method and path`
            : `${table.title} has no such operation: X-Amz-Target must be ${table.target}.OPERATION`,
        }),
      ),
  };
}

/** What a codec made, as a reply. */
export function awsReply({ status, headers, body }: WireResponse, more: Headers = {}): Reply {
  const all = { ...headers, ...more };
  if (body === undefined) return empty(status, all);
  const contentType = headers['Content-Type'] ?? 'application/json';
  const { 'Content-Type': _, ...others } = all;
  return body instanceof Uint8Array
    ? bytes(status, contentType, body, others)
    : stream(status, contentType, body, others);
}

function exception(status: number, type: string, message: string): Reply {
  const headers: Headers = { 'x-amzn-ErrorType': type };
  return json(status, { __type: type, message }, headers);
}

/** A UUID of version 4, as AWS names requests. */
export function awsRequestId(random: Random): string {
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
