import { type ErrorCode, SlipwayError } from '@slipway/base';

/**
 * An exception of an AWS API, which the dialect writes under its name. `details` are its further modelled members, as
 * `{ Reason: 'CallerRateLimitExceeded' }`.
 */
export const awsError = (
  code: ErrorCode,
  exception: string,
  message: string,
  options: { readonly cause?: unknown; readonly details?: Readonly<Record<string, unknown>> } = {},
): SlipwayError => new SlipwayError(code, message, { reason: exception, ...options });
