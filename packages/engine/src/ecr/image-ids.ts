import { type Digest, isDigest } from '@slipway/oci';
import type { ManifestDescription } from '../registry/index.ts';
import type { ImageId } from './action.ts';
import { REGISTRY_ID } from './context.ts';

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** An id that names nothing, as the answer's `failures` have it. */
export interface ImageFailure {
  readonly imageId: ImageId;
  readonly failureCode:
    | 'ImageNotFound'
    | 'ImageReferencedByManifestList'
    | 'ImageTagDoesNotMatchDigest'
    | 'InvalidImageDigest'
    | 'InvalidImageTag'
    | 'MissingDigestAndTag';
  readonly failureReason: string;
}

/** Without the members that were given as null. */
export const plainId = ({ imageDigest, imageTag }: ImageId) => ({
  ...(imageDigest == null ? {} : { imageDigest }),
  ...(imageTag == null ? {} : { imageTag }),
});

/** The image that an id names: by digest, by tag, or by both, which must then agree. */
export function findImage(
  images: readonly ManifestDescription[],
  imageId: ImageId,
): ManifestDescription | ImageFailure {
  const { imageDigest, imageTag } = imageId;
  const fail = (failureCode: ImageFailure['failureCode'], failureReason: string): ImageFailure => ({
    imageId: plainId(imageId),
    failureCode,
    failureReason,
  });
  if (imageDigest == null && imageTag == null) {
    return fail('MissingDigestAndTag', 'Invalid request parameters: both tag and digest cannot be null');
  }
  if (imageDigest != null && !isDigest(imageDigest)) {
    return fail('InvalidImageDigest', `Invalid request parameters: "${imageDigest}" is no digest`);
  }
  if (imageTag != null && !TAG.test(imageTag)) {
    return fail('InvalidImageTag', `Invalid request parameters: "${imageTag}" is no tag`);
  }
  const named = images.find(
    ({ digest, tags }) => digest === imageDigest || (imageDigest == null && tags.includes(imageTag ?? '')),
  );
  if (named === undefined) return fail('ImageNotFound', 'Requested image not found');
  if (imageDigest != null && imageTag != null && !named.tags.includes(imageTag)) {
    return fail('ImageTagDoesNotMatchDigest', `Tag '${imageTag}' is not one of image ${imageDigest}`);
  }
  return named;
}

export const isFailure = (found: ManifestDescription | ImageFailure): found is ImageFailure =>
  'failureCode' in found;

/** How AWS says that an image is not there. */
export const notFoundMessage = ({ imageDigest, imageTag }: ImageId, repositoryName: string): string =>
  `The image with imageId {imageDigest:'${imageDigest ?? 'null'}', imageTag:'${imageTag ?? 'null'}'} does not exist within the repository with name '${repositoryName}' in the registry with id '${REGISTRY_ID}'`;

/** What `filter.tagStatus` lets through. */
export const hasTagStatus = (
  { tags }: { readonly tags: readonly string[] },
  filter: { readonly tagStatus?: 'TAGGED' | 'UNTAGGED' | 'ANY' | null | undefined } | null | undefined,
): boolean => {
  const wanted = filter?.tagStatus ?? 'ANY';
  return wanted === 'ANY' || tags.length > 0 === (wanted === 'TAGGED');
};

/** The indexes that refer to the manifest. */
export const indexesOf = (images: readonly ManifestDescription[], digest: Digest): readonly Digest[] =>
  images.filter(({ manifests }) => manifests.includes(digest)).map((index) => index.digest);
