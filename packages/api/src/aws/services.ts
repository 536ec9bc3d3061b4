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
