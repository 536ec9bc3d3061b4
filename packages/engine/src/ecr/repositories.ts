import { isSlipwayError } from '@slipway/base';
import { z } from 'zod';
import { action, type EcrAction, inRepository, pagination, registryId, repositoryName } from './action.ts';
import { type EcrContext, openRepository, REGISTRY_ID, requireLeave } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';
import { pageOf } from './pages.ts';
import { mergeTags, tags } from './tags.ts';
import { toRepository } from './wire.ts';

const mutability = z.enum(
  ['MUTABLE', 'IMMUTABLE'],
  'Member must satisfy enum value set: [MUTABLE, IMMUTABLE]',
);
const scanning = z.object({ scanOnPush: z.boolean().nullish() });
const encryption = z.object({
  encryptionType: z.enum(
    ['AES256', 'KMS', 'KMS_DSSE'],
    'Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]',
  ),
  kmsKey: z.string().min(1).max(2048).nullish(),
});

/** Making, showing, setting and removing repositories. */
export function repositoryActions(ecr: EcrContext): EcrAction[] {
  return [create(ecr), describe(ecr), remove(ecr), setMutability(ecr), setScanning(ecr)];
}

function create({ registry, records }: EcrContext): EcrAction {
  const schema = z.object({
    ...inRepository,
    tags: tags.nullish(),
    imageTagMutability: mutability.nullish(),
    imageScanningConfiguration: scanning.nullish(),
    encryptionConfiguration: encryption.nullish(),
  });
  return action('CreateRepository', schema, async (input, call) => {
    const { repositoryName: name, imageTagMutability, encryptionConfiguration } = input;
    requireLeave(call.visitor, 'push', name);
    const merged = mergeTags({}, input.tags ?? []);
    const immutable = imageTagMutability == null ? {} : { immutableTags: imageTagMutability === 'IMMUTABLE' };
    const repository = await registry.createRepository(name, immutable).catch((error: unknown) => {
      if (!isSlipwayError(error, 'AlreadyExists')) throw error;
      throw ecrError(
        'RepositoryAlreadyExistsException',
        `The repository with name '${name}' already exists in the registry with id '${REGISTRY_ID}'`,
        error,
      );
    });
    const { encryptionType = 'AES256', kmsKey } = encryptionConfiguration ?? {};
    const record = records.update(repository, {
      scanOnPush: input.imageScanningConfiguration?.scanOnPush ?? false,
      encryption: { encryptionType, ...(kmsKey == null ? {} : { kmsKey }) },
      tags: merged,
    });
    return { repository: toRepository(repository, record, call) };
  });
}

function describe(ecr: EcrContext): EcrAction {
  const schema = z.object({
    registryId,
    repositoryNames: z.array(repositoryName).min(1).max(100).nullish(),
    ...pagination,
  });
  return action('DescribeRepositories', schema, async (input, call) => {
    const { repositoryNames, nextToken, maxResults } = input;
    if (repositoryNames != null && (nextToken != null || maxResults != null)) {
      throw invalidParameter('repositoryNames', 'must not be given with nextToken or maxResults');
    }
    const shown = async (name: string) =>
      await openRepository(ecr, call, { registryId: input.registryId, repositoryName: name }, 'pull');
    const page =
      repositoryNames == null
        ? pageOf(await ecr.registry.describeRepositories(call.visitor), ({ name }) => name, input)
        : { items: await Promise.all(repositoryNames.map(shown)) };
    const { items, ...rest } = page;
    return {
      repositories: items.map((item) => toRepository(item, ecr.records.get(item), call)),
      ...rest,
    };
  });
}

function remove(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, force: z.boolean().nullish() });
  return action('DeleteRepository', schema, async (input, call) => {
    const repository = await openRepository(ecr, call, input, 'delete');
    const { name } = repository;
    const told = toRepository(repository, ecr.records.get(repository), call);
    try {
      await ecr.registry.deleteRepository(name, { force: input.force ?? false });
    } catch (error) {
      if (!isSlipwayError(error, 'FailedPrecondition')) throw error;
      throw ecrError(
        'RepositoryNotEmptyException',
        `The repository with name '${name}' in registry with id '${REGISTRY_ID}' cannot be deleted because it still contains images`,
        error,
      );
    }
    ecr.records.delete(name);
    return { repository: told };
  });
}

/** Whoever may not delete must not be able to make tags that move again. */
function setMutability(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, imageTagMutability: mutability });
  return action('PutImageTagMutability', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'delete');
    const { imageTagMutability } = input;
    await ecr.registry.updateRepository(name, { immutableTags: imageTagMutability === 'IMMUTABLE' });
    return { registryId: REGISTRY_ID, repositoryName: name, imageTagMutability };
  });
}

function setScanning(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, imageScanningConfiguration: scanning });
  return action('PutImageScanningConfiguration', schema, async (input, call) => {
    const repository = await openRepository(ecr, call, input, 'push');
    const scanOnPush = input.imageScanningConfiguration.scanOnPush ?? false;
    ecr.records.update(repository, { scanOnPush });
    return {
      registryId: REGISTRY_ID,
      repositoryName: repository.name,
      imageScanningConfiguration: { scanOnPush },
    };
  });
}
