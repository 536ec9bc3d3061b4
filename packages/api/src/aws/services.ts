import { type ErrorCode, SlipwayError } from '@slipway/base/errors';
import type { ServiceTable } from './table.ts';
import { lambda } from './tables/lambda.ts';
import { logs } from './tables/logs.ts';
import { scheduler } from './tables/scheduler.ts';
import { sqs } from './tables/sqs.ts';
import type { Missing } from './values.ts';

/** A service with what its schema does not say. */
export interface AwsService {
  readonly table: ServiceTable;
  /** The exception for an error that names none. */
  readonly exceptions: Readonly<Partial<Record<ErrorCode, string>>>;
  /** For a body that is no JSON. */
  readonly badJson: string;
  readonly missing: Missing;
  /** Of a whole request's body. */
  readonly maxBodyBytes: number;
  /** Of one that spoke the query protocol before, whose clients still know errors as that has them. */
  readonly queryErrors?: QueryErrors;
}

/**
 * Errors under two names: in the body by their shapes' ids, in the header `x-amzn-query-error` as in the query protocol.
 * @see https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
 */
export interface QueryErrors {
  /** Of the service's own. */
  readonly namespace: string;
  /** Of those that all services have. */
  readonly commonNamespace: string;
  /** Those that all services have, of which the schema says nothing, by their names here. */
  readonly common: Readonly<Record<string, CommonError>>;
}

export interface CommonError {
  readonly status: number;
  readonly queryCode: string;
  /** Where this service has another name for it. */
  readonly name?: string;
}

const MIB = 1024 * 1024;

const notNull =
  (exception: string): Missing =>
  (member) =>
    new SlipwayError(
      'InvalidArgument',
      `1 validation error detected: Value null at '${member.charAt(0).toLowerCase()}${member.slice(1)}' failed to satisfy constraint: Member must not be null`,
      { reason: exception },
    );

/**
 * As SQS answers them; what it was not seen to answer is as its API reference has it.
 * @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
 */
const SQS_COMMON_ERRORS = {
  AccessDeniedException: { status: 403, queryCode: 'AccessDenied' },
  MissingAuthenticationTokenException: {
    status: 403,
    queryCode: 'AccessDenied',
    name: 'AccessDeniedException',
  },
  UnrecognizedClientException: { status: 403, queryCode: 'InvalidClientTokenId' },
  InvalidSignatureException: { status: 403, queryCode: 'SignatureDoesNotMatch' },
  IncompleteSignatureException: { status: 400, queryCode: 'IncompleteSignature' },
  InvalidParameterValueException: { status: 400, queryCode: 'InvalidParameterValue' },
  MissingRequiredParameterException: { status: 400, queryCode: 'MissingParameter' },
  SerializationException: { status: 400, queryCode: 'MalformedInput' },
  UnknownOperationException: { status: 400, queryCode: 'InvalidAction' },
  ServerException: { status: 500, queryCode: 'InternalFailure', name: 'InternalFailure' },
  ServiceUnavailableException: { status: 503, queryCode: 'ServiceUnavailable' },
} as const satisfies QueryErrors['common'];

/** The services that are served, as their clients know them. */
export const AWS_SERVICES = {
  lambda: {
    table: lambda,
    exceptions: {
      NotFound: 'ResourceNotFoundException',
      InvalidArgument: 'InvalidParameterValueException',
      AlreadyExists: 'ResourceConflictException',
      Conflict: 'ResourceConflictException',
      FailedPrecondition: 'ResourceConflictException',
      ResourceExhausted: 'TooManyRequestsException',
      NotImplemented: 'InvalidParameterValueException',
      Unavailable: 'ServiceException',
      DeadlineExceeded: 'ServiceException',
      DataLoss: 'ServiceException',
      Internal: 'ServiceException',
    },
    badJson: 'InvalidRequestContentException',
    missing: notNull('ValidationException'),
    // A zip of 50 MiB in base64, and what stands around it: Lambda's own limit.
    maxBodyBytes: 70_167_211,
  },
  logs: {
    table: logs,
    exceptions: {
      AlreadyExists: 'ResourceAlreadyExistsException',
      Conflict: 'OperationAbortedException',
      FailedPrecondition: 'InvalidOperationException',
      NotImplemented: 'InvalidOperationException',
      Internal: 'ServiceUnavailableException',
      DataLoss: 'ServiceUnavailableException',
    },
    badJson: 'SerializationException',
    missing: notNull('InvalidParameterException'),
    maxBodyBytes: 2 * MIB,
  },
  sqs: {
    table: sqs,
    exceptions: {
      NotFound: 'QueueDoesNotExist',
      InvalidArgument: 'InvalidParameterValueException',
      AlreadyExists: 'QueueNameExists',
      ResourceExhausted: 'OverLimit',
      NotImplemented: 'UnsupportedOperation',
    },
    badJson: 'SerializationException',
    missing: (member) =>
      new SlipwayError('InvalidArgument', `The request must contain the parameter ${member}.`, {
        reason: 'MissingRequiredParameterException',
      }),
    // Ten messages of a mebibyte in all, with what JSON makes of their characters.
    maxBodyBytes: 8 * MIB,
    queryErrors: {
      namespace: 'com.amazonaws.sqs',
      commonNamespace: 'com.amazon.coral.service',
      common: SQS_COMMON_ERRORS,
    },
  },
  scheduler: {
    table: scheduler,
    exceptions: {
      InvalidArgument: 'ValidationException',
      AlreadyExists: 'ConflictException',
      FailedPrecondition: 'ConflictException',
      ResourceExhausted: 'ServiceQuotaExceededException',
      NotImplemented: 'ValidationException',
      Internal: 'InternalServerException',
      DataLoss: 'InternalServerException',
    },
    badJson: 'SerializationException',
    missing: notNull('ValidationException'),
    maxBodyBytes: MIB,
  },
} as const satisfies Record<string, AwsService>;
