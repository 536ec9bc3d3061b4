import { isSlipwayError, SlipwayError } from '@slipway/base';
import { familiarName, formatFamiliar, type Reference } from '@slipway/oci';

/**
 * A registry's refusal of a pull as docker says it, because clients and people match on the words. A connection that
 * fails is docker's 500, with our words, which name registry, repository and cause.
 * @see moby distribution/errors.go, translatePullError
 */
export function pullError(error: unknown, reference: Reference): unknown {
  if (!isSlipwayError(error)) return error;
  const because = (code: SlipwayError['code'], text: string) =>
    error.message.startsWith(text)
      ? error
      : new SlipwayError(code, `${text}: ${error.message}`, { cause: error, ...reasonOf(error) });
  switch (error.reason) {
    case 'MANIFEST_UNKNOWN':
      return because('NotFound', `manifest for ${formatFamiliar(reference)} not found`);
    case 'NAME_UNKNOWN':
      return because('NotFound', `repository ${familiarName(reference)} not found`);
    case 'DENIED':
    case 'UNAUTHORIZED':
      return because(
        'NotFound',
        `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login'`,
      );
    default:
      return connectionError(error);
  }
}

/**
 * As `pullError`, for a push. A registry denies for a quota or an immutable tag too: a login would not help there.
 * @see moby distribution/push_v2.go
 */
export function pushError(error: unknown, reference: Reference): unknown {
  if (!isSlipwayError(error)) return error;
  if (error.reason !== 'DENIED' && error.reason !== 'UNAUTHORIZED') return connectionError(error);
  const advice = error.reason === 'DENIED' ? '' : ', repository does not exist or may require authorization';
  return new SlipwayError(
    'PermissionDenied',
    `push access denied for ${familiarName(reference)}${advice}: ${error.message}`,
    { cause: error, ...reasonOf(error) },
  );
}

function connectionError(error: SlipwayError): SlipwayError {
  if (!isSlipwayError(error, 'Unavailable', 'DeadlineExceeded')) return error;
  return new SlipwayError('Internal', error.message, { cause: error, ...reasonOf(error) });
}

const reasonOf = ({ reason }: SlipwayError) => (reason === undefined ? {} : { reason });
