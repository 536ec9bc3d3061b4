import type { SlipwayError } from '@slipway/base';
import { awsError } from '../aws/index.ts';

/** All of these are the caller's doing, and say so. */
const USER = { details: { Type: 'User' } } as const;

export const invalidParameter = (message: string, cause?: unknown): SlipwayError =>
  awsError('InvalidArgument', 'InvalidParameterValueException', message, { ...USER, cause });

/** What the API's own model forbids: a value, where it stood, and the constraint it fails. */
export const validationError = (value: unknown, member: string, constraint: string): SlipwayError =>
  awsError(
    'InvalidArgument',
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${member}' failed to satisfy constraint: ${constraint}`,
  );

export const notFound = (message: string): SlipwayError =>
  awsError('NotFound', 'ResourceNotFoundException', message, USER);

export const functionNotFound = (arn: string): SlipwayError => notFound(`Function not found: ${arn}`);

/** Lambda's word for what is not there where it names nothing. */
export const noSuchResource = (): SlipwayError => notFound('The resource you requested does not exist.');

export const conflict = (message: string): SlipwayError =>
  awsError('Conflict', 'ResourceConflictException', message, USER);

/** `call` is what tells the latest: `GetFunction/GetAlias`, `GetPolicy`. */
export const staleRevision = (call: string): SlipwayError =>
  awsError(
    'FailedPrecondition',
    'PreconditionFailedException',
    `The Revision Id provided does not match the latest Revision Id. Call the ${call} API to retrieve the latest Revision Id`,
    USER,
  );

/** @throws FailedPrecondition when a revision is given and is not the latest */
export function requireRevision(given: string | undefined, latest: string | undefined, call: string): void {
  if (given !== undefined && given !== latest) throw staleRevision(call);
}
