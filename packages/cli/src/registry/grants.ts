import { SlipwayError } from '@slipway/base/errors';
import type { Grant } from '@slipway/client';

const ACTIONS = ['pull', 'push', 'delete'] as const;
type Action = (typeof ACTIONS)[number];
const isAction = (word: string): word is Action => ACTIONS.some((action) => action === word);

/** `team/*:pull,push`. @throws InvalidArgument */
export function parseGrant(text: string): Grant {
  const colon = text.lastIndexOf(':');
  const repositories = text.slice(0, colon);
  const actions = text.slice(colon + 1).split(',');
  if (colon <= 0 || !actions.every(isAction)) {
    throw new SlipwayError(
      'InvalidArgument',
      `"${text}" is not a grant: write repositories, a colon, and some of ${ACTIONS.join(',')}, as in 'team/*:pull,push'`,
    );
  }
  return { repositories, actions };
}

/** `team/*:pull,push` */
export const formatGrant = ({ repositories, actions }: Grant): string =>
  `${repositories}:${actions.join(',')}`;
