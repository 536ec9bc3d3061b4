import { type ErrorCode, errorMessage, SlipwayError } from '@slipway/base';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ResourceExhausted',
  EDQUOT: 'ResourceExhausted',
  EMFILE: 'ResourceExhausted',
  ENFILE: 'ResourceExhausted',
  EFBIG: 'ResourceExhausted',
  EACCES: 'PermissionDenied',
  EPERM: 'PermissionDenied',
  EROFS: 'FailedPrecondition',
};

/** A system error with what was being done and, where the errno tells, a code that tells: a full disk is ResourceExhausted. */
export function wrapErrno(error: unknown, doing: string): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const name = error instanceof Error && 'code' in error ? String(error.code) : '';
  const advice =
    name === 'ENOSPC' || name === 'EDQUOT' ? ': no space left on device; free some and try again' : '';
  return new SlipwayError(CODES[name] ?? 'Internal', `${doing}${advice || `: ${errorMessage(error)}`}`, {
    cause: error,
    ...(name === '' ? {} : { reason: name }),
  });
}
