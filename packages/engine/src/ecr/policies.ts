import { errorMessage } from '@slipway/base';
import { z } from 'zod';
import { action, type EcrAction, inRepository } from './action.ts';
import { type EcrContext, openRepository, REGISTRY_ID } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';
import type { EcrRecord } from './records.ts';

const LONGEST_TEXT = 10_240;

/** Policies of access: kept and told for the tools that write them. What somebody may do is in the accounts' grants. */
export function policyActions(ecr: EcrContext): EcrAction[] {
  const policySchema = z.object({
    ...inRepository,
    policyText: z.string().max(LONGEST_TEXT),
    force: z.boolean().nullish(),
  });
  const existing = (record: EcrRecord): string => {
    if (record.policy !== undefined) return record.policy;
    throw ecrError(
      'RepositoryPolicyNotFoundException',
      `Repository policy does not exist for the repository with name '${record.name}' in the registry with id '${REGISTRY_ID}'`,
    );
  };
  const told = (repositoryName: string, policyText: string) => ({
    registryId: REGISTRY_ID,
    repositoryName,
    policyText,
  });
  return [
    action('SetRepositoryPolicy', policySchema, async (input, call) => {
      const repository = await openRepository(ecr, call, input, 'delete');
      requireJsonObject(input.policyText);
      ecr.records.update(repository, { policy: input.policyText });
      return told(repository.name, input.policyText);
    }),
    action('GetRepositoryPolicy', z.object(inRepository), async (input, call) => {
      const repository = await openRepository(ecr, call, input, 'pull');
      return told(repository.name, existing(ecr.records.get(repository)));
    }),
    action('DeleteRepositoryPolicy', z.object(inRepository), async (input, call) => {
      const repository = await openRepository(ecr, call, input, 'delete');
      const policy = existing(ecr.records.get(repository));
      ecr.records.update(repository, { policy: undefined });
      return told(repository.name, policy);
    }),
  ];
}

function requireJsonObject(text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidParameter('PolicyText', `Invalid repository policy provided: ${errorMessage(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidParameter('PolicyText', 'Invalid repository policy provided: it must be a JSON object');
  }
}
