import { type Clock, isSlipwayError, type Logger } from '@slipway/base';
import type { RegistryAction, Visitor } from '@slipway/distribution/server';
import type { Accounts } from '../accounts/index.ts';
import type { Registry, RepositoryDescription } from '../registry/index.ts';
import { ecrError } from './errors.ts';
import type { LifecycleKeeper } from './lifecycle/keeper.ts';
import type { EcrRecords } from './records.ts';

/** The one registry that there is here, in the 12 digits of an AWS account. */
export const REGISTRY_ID = '000000000000';

/** What the actions share. */
export interface EcrContext {
  readonly registry: Registry;
  readonly accounts: Accounts;
  readonly records: EcrRecords;
  readonly lifecycle: LifecycleKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One call of an action: who calls, and how they reached us. */
export interface EcrCall {
  readonly visitor: Visitor;
  /** The door as the client knows it: `localhost:4566`. */
  readonly host: string;
  /** Of the signature: `eu-central-1`. */
  readonly region: string;
}

/** What a request names a repository by. */
export interface RepositoryName {
  readonly registryId?: string | null | undefined;
  readonly repositoryName: string;
}

/**
 * The repository, for somebody who may do that with it.
 * @throws PermissionDenied AccessDeniedException, NotFound RepositoryNotFoundException
 */
export async function openRepository(
  { registry }: EcrContext,
  { visitor }: EcrCall,
  { repositoryName, registryId }: RepositoryName,
  action: RegistryAction,
): Promise<RepositoryDescription> {
  requireLeave(visitor, action, repositoryName);
  if (registryId != null && registryId !== REGISTRY_ID) throw noRepository(repositoryName, registryId);
  try {
    return await registry.describeRepository(repositoryName);
  } catch (error) {
    if (isSlipwayError(error, 'NotFound')) throw noRepository(repositoryName, REGISTRY_ID, error);
    throw error;
  }
}

/** @throws PermissionDenied AccessDeniedException */
export function requireLeave(visitor: Visitor, action: RegistryAction, repositoryName: string): void {
  if (visitor.may(action, repositoryName)) return;
  throw ecrError(
    'AccessDeniedException',
    `User: ${visitor.name ?? 'anonymous'} is not authorized to ${action} repository ${repositoryName}: the account needs a grant for it`,
  );
}

const noRepository = (name: string, registryId: string, cause?: unknown) =>
  ecrError(
    'RepositoryNotFoundException',
    `The repository with name '${name}' does not exist in the registry with id '${registryId}'`,
    cause,
  );
