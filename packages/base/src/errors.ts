/**
 * The codes an error can carry, with containerd's meanings.
 * @see https://github.com/containerd/errdefs
 */
export type ErrorCode =
  | 'NotFound'
  | 'InvalidArgument'
  | 'AlreadyExists'
  | 'Conflict'
  | 'FailedPrecondition'
  | 'Unauthenticated'
  | 'PermissionDenied'
  | 'ResourceExhausted'
  | 'Unavailable'
  | 'NotImplemented'
  | 'NotModified'
  | 'Canceled'
  | 'DeadlineExceeded'
  | 'DataLoss'
  | 'Internal';

export interface SlipwayErrorOptions {
  readonly cause?: unknown;
  /** A stable word that a program can match on, finer than the code, e.g. `PORT_IN_USE`. */
  readonly reason?: string;
  /** Further members of the error as an API models it, to be told with it. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error type that crosses a package's door. The message names the thing, the value and what to do. */
export class SlipwayError extends Error {
  readonly code: ErrorCode;
  readonly reason: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: SlipwayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SlipwayError';
    this.code = code;
    this.reason = options.reason;
    this.details = options.details;
  }
}

/** Whether `error` is a SlipwayError, and, when `codes` are given, carries one of them. */
export function isSlipwayError(error: unknown, ...codes: readonly ErrorCode[]): error is SlipwayError {
  return error instanceof SlipwayError && (codes.length === 0 || codes.includes(error.code));
}

/** Whether `error` is a Node system error with one of these errno names, e.g. `ENOENT`. */
export function isErrno(error: unknown, ...names: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && names.includes(String(error.code));
}

/** The human-readable text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
