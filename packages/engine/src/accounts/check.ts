import { SlipwayError } from '@slipway/base';
import type { Grant } from './accounts.ts';
import { ALL_ACTIONS } from './visitor.ts';

const LEAST_PASSWORD = 8;
const LONGEST_PASSWORD = 1_024;

/** @throws InvalidArgument */
export function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/.test(name)) {
    throw invalid(`"${name}" cannot be an account's name: use at most 64 letters, digits, . _ @ -`);
  }
  if (name.toLowerCase() === 'aws') {
    throw invalid(`"${name}" cannot be an account's name: the tools of AWS use it with a token`);
  }
}

/** @throws InvalidArgument, without the password */
export function checkPassword(password: string): void {
  if (password.length < LEAST_PASSWORD || password.length > LONGEST_PASSWORD) {
    throw invalid(`a password must have ${LEAST_PASSWORD} to ${LONGEST_PASSWORD} characters`);
  }
}

/** @throws InvalidArgument naming what is wrong */
export function checkGrants(grants: readonly Grant[]): void {
  for (const { repositories, actions } of grants) {
    if (!/^[a-z0-9._/*-]{1,255}$/.test(repositories)) {
      throw invalid(`"${repositories}" fits no repository: use a name as team/app, or a pattern as team/*`);
    }
    if (actions.length === 0 || actions.some((action) => !ALL_ACTIONS.includes(action))) {
      throw invalid(
        `actions of "${repositories}": [${actions.join(', ')}]: must be some of ${ALL_ACTIONS.join(', ')}`,
      );
    }
  }
}

const invalid = (message: string) => new SlipwayError('InvalidArgument', message);
