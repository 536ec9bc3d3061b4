import { KEEPER, type RegistryAction, type Visitor } from '@slipway/distribution/server';
import type { Account, Grant } from './accounts.ts';

export const ALL_ACTIONS: readonly RegistryAction[] = ['pull', 'push', 'delete'];

/** Stands for every repository; also the whole of what a token may be asked for. */
export const EVERYWHERE = '*';

/** A visitor of whom it is known how they came. */
export interface KnownVisitor extends Visitor {
  /** By a token: with less than all that the account may do, or for less long. */
  readonly isLimited: boolean;
}

/** Whoever reaches the door while no account has a password. */
export const HOUSEHOLDER: KnownVisitor = {
  ...KEEPER,
  isLimited: false,
};

/** Somebody without credentials, once there are accounts. */
export const anonymousVisitor = (mayPull: boolean): KnownVisitor => ({
  name: undefined,
  isLimited: false,
  may: (action) => mayPull && action === 'pull',
  isAdmin: false,
});

/** The account with all that it may do. `may(action, '*')` tells whether it may do it anywhere. */
export const accountVisitor = ({
  name,
  isAdmin,
  grants,
}: Pick<Account, 'name' | 'isAdmin' | 'grants'>): KnownVisitor => ({
  name,
  isLimited: false,
  isAdmin,
  may: (action, repository) => isAdmin || allows(grants, action, repository),
});

/** A visitor restricted to what a token was made for. */
export const restricted = (visitor: Visitor, grants: readonly Grant[]): KnownVisitor => ({
  isLimited: true,
  name: visitor.name,
  isAdmin: visitor.isAdmin,
  may: (action, repository) => allows(grants, action, repository) && visitor.may(action, repository),
});

function allows(grants: readonly Grant[], action: RegistryAction, repository: string): boolean {
  return grants.some(
    ({ repositories, actions }) =>
      actions.includes(action) && (repository === EVERYWHERE || fits(repositories, repository)),
  );
}

/** Whether the name fits the pattern, in which `*` stands for any characters; in time that only grows with both. */
export function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last))
    return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
