import { type ErrorCode, SlipwayError } from '@slipway/base';

/** gRPC's status codes. @see https://grpc.io/docs/guides/status-codes/ */
const numberOf = {
  Canceled: 1,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  NotModified: 9,
  Conflict: 10,
  NotImplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const satisfies Record<ErrorCode, number>;

/** gRPC's `UNKNOWN`. */
const UNKNOWN = 2;

/** What a client acts on; to any other code it prints its name before the message, but not to UNKNOWN. */
const MEANINGFUL = new Set<ErrorCode>(['Canceled', 'NotImplemented', 'Unavailable']);

export const toGrpcCode = (code: ErrorCode): number => (MEANINGFUL.has(code) ? numberOf[code] : UNKNOWN);

/** A status that is not OK, as the error that it means. */
export function grpcError(status: number, message: string): SlipwayError {
  const code = (Object.keys(numberOf) as ErrorCode[]).find((name) => numberOf[name] === status);
  return new SlipwayError(code ?? 'Internal', message);
}
