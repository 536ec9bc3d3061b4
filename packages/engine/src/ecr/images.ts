import { z } from 'zod';
import type { ManifestDescription } from '../registry/index.ts';
import {
  action,
  type EcrAction,
  type ImageId,
  imageIds,
  inRepository,
  pagination,
  tagFilter,
} from './action.ts';
import { type EcrCall, type EcrContext, openRepository, REGISTRY_ID } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';
import {
  findImage,
  hasTagStatus,
  type ImageFailure,
  indexesOf,
  isFailure,
  notFoundMessage,
  plainId,
} from './image-ids.ts';
import { pageOf } from './pages.ts';
import { toSeconds } from './wire.ts';

/** Looking at images, and removing them. */
export function imageActions(ecr: EcrContext): EcrAction[] {
  return [list(ecr), describe(ecr), batchGet(ecr), batchDelete(ecr)];
}

function list(ecr: EcrContext): EcrAction {
  const schema = z.object({ ...inRepository, ...pagination, filter: tagFilter });
  return action('ListImages', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'pull');
    const ids = (await ecr.registry.describeManifests(name))
      .filter((image) => hasTagStatus(image, input.filter))
      .flatMap(({ digest, tags }): { imageDigest: string; imageTag?: string }[] =>
        tags.length === 0
          ? [{ imageDigest: digest }]
          : tags.map((imageTag) => ({ imageDigest: digest, imageTag })),
      );
    const { items, ...rest } = pageOf(ids, (id) => `${id.imageDigest} ${id.imageTag ?? ''}`, input);
    return { imageIds: items, ...rest };
  });
}

function describe(ecr: EcrContext): EcrAction {
  const schema = z.object({
    ...inRepository,
    ...pagination,
    imageIds: imageIds.nullish(),
    filter: tagFilter,
  });
  return action('DescribeImages', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'pull');
    const images = await ecr.registry.describeManifests(name);
    if (input.imageIds == null) {
      const fitting = images.filter((image) => hasTagStatus(image, input.filter));
      const { items, ...rest } = pageOf(fitting, ({ digest }) => digest, input);
      return { imageDetails: items.map((image) => toDetail(image, name)), ...rest };
    }
    if (input.nextToken != null || input.maxResults != null) {
      throw invalidParameter('imageIds', 'must not be given with nextToken or maxResults');
    }
    const named = input.imageIds.map((id) => requireImage(images, id, name));
    const fitting = [...new Set(named)].filter((image) => hasTagStatus(image, input.filter));
    return { imageDetails: fitting.map((image) => toDetail(image, name)) };
  });
}

function batchGet(ecr: EcrContext): EcrAction {
  const schema = z.object({
    ...inRepository,
    imageIds,
    acceptedMediaTypes: z.array(z.string()).min(1).max(100).nullish(),
  });
  return action('BatchGetImage', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'pull');
    const described = await ecr.registry.describeManifests(name);
    const images: object[] = [];
    const failures: ImageFailure[] = [];
    for (const id of input.imageIds) {
      const found = findImage(described, id);
      if (isFailure(found)) {
        failures.push(found);
        continue;
      }
      const { bytes, digest, mediaType } = await ecr.registry.getManifest(name, found.digest);
      images.push({
        registryId: REGISTRY_ID,
        repositoryName: name,
        imageId: { ...plainId(id), imageDigest: digest },
        imageManifest: Buffer.from(bytes).toString('utf8'),
        imageManifestMediaType: mediaType,
      });
    }
    return { images, failures };
  });
}

/** A digest removes the image with its tags; a tag is removed alone, and the image with its last one. */
function batchDelete(ecr: EcrContext): EcrAction {
  return action('BatchDeleteImage', z.object({ ...inRepository, imageIds }), async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'delete');
    const removed: object[] = [];
    const failures: ImageFailure[] = [];
    const first = await ecr.registry.describeManifests(name);
    // An index before what it refers to, when both are asked for at once.
    for (const id of [...input.imageIds].sort((a, b) => partsOf(first, b) - partsOf(first, a))) {
      const images = await ecr.registry.describeManifests(name);
      const found = findImage(images, id);
      const result = isFailure(found)
        ? found
        : await removeImage(ecr, call, { name, images, image: found, id });
      if (Array.isArray(result)) removed.push(...result);
      else failures.push(result);
    }
    return { imageIds: removed, failures };
  });
}

function partsOf(images: readonly ManifestDescription[], id: ImageId): number {
  const found = findImage(images, id);
  return isFailure(found) ? 0 : found.manifests.length;
}

async function removeImage(
  { registry }: EcrContext,
  { visitor }: EcrCall,
  target: {
    readonly name: string;
    readonly images: readonly ManifestDescription[];
    readonly image: ManifestDescription;
    readonly id: ImageId;
  },
): Promise<{ imageDigest: string; imageTag?: string }[] | ImageFailure> {
  const { name, images, image, id } = target;
  const { digest, tags } = image;
  const indexes = indexesOf(images, digest);
  if (id.imageTag != null) {
    if (tags.length > 1 || indexes.length > 0) await registry.deleteTag(name, id.imageTag, visitor);
    else await registry.deleteManifest(name, digest, visitor);
    return [{ imageDigest: digest, imageTag: id.imageTag }];
  }
  if (indexes.length > 0) {
    return {
      imageId: plainId(id),
      failureCode: 'ImageReferencedByManifestList',
      failureReason: `Requested image referenced by manifest list: [${indexes.join(', ')}]`,
    };
  }
  await registry.deleteManifest(name, digest, visitor);
  return tags.length === 0
    ? [{ imageDigest: digest }]
    : tags.map((imageTag) => ({ imageDigest: digest, imageTag }));
}

/** @throws NotFound ImageNotFoundException, InvalidArgument InvalidParameterException */
function requireImage(
  images: readonly ManifestDescription[],
  id: ImageId,
  repositoryName: string,
): ManifestDescription {
  const found = findImage(images, id);
  if (!isFailure(found)) return found;
  if (found.failureCode === 'ImageNotFound' || found.failureCode === 'ImageTagDoesNotMatchDigest') {
    throw ecrError('ImageNotFoundException', notFoundMessage(id, repositoryName));
  }
  throw ecrError('InvalidParameterException', found.failureReason);
}

/** @see https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageDetail.html */
const toDetail = (image: ManifestDescription, repositoryName: string) => ({
  registryId: REGISTRY_ID,
  repositoryName,
  imageDigest: image.digest,
  ...(image.tags.length === 0 ? {} : { imageTags: image.tags }),
  imageSizeInBytes: image.sizeBytes,
  imagePushedAt: toSeconds(image.pushedAtMs),
  imageManifestMediaType: image.mediaType,
  ...(image.artifactType === undefined ? {} : { artifactMediaType: image.artifactType }),
  ...(image.lastPulledAtMs === undefined ? {} : { lastRecordedPullTime: toSeconds(image.lastPulledAtMs) }),
});
