import { isSlipwayError } from '@slipway/base';
import { computeDigest, isIndexType, MediaType } from '@slipway/oci';
import { z } from 'zod';
import { action, type EcrAction, inRepository } from './action.ts';
import { type EcrContext, openRepository, REGISTRY_ID } from './context.ts';
import { ecrError, invalidParameter } from './errors.ts';

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

const schema = z.object({
  ...inRepository,
  imageManifest: z.string().min(1).max(4_194_304),
  imageManifestMediaType: z.string().nullish(),
  imageTag: z
    .string()
    .regex(TAG, `must satisfy regular expression '${TAG.source.slice(1, -1)}'`)
    .nullish(),
  imageDigest: z.string().nullish(),
});

/** Storing a manifest whose layers are there. */
export function putImageAction(ecr: EcrContext): EcrAction {
  return action('PutImage', schema, async (input, call) => {
    const { name } = await openRepository(ecr, call, input, 'push');
    const bytes = Buffer.from(input.imageManifest, 'utf8');
    const digest = computeDigest(bytes);
    if (input.imageDigest != null && input.imageDigest !== digest) {
      throw ecrError(
        'ImageDigestDoesNotMatchException',
        `The image digest ${input.imageDigest} does not match the manifest's, ${digest}`,
      );
    }
    const present = (await ecr.registry.describeManifests(name)).find((image) => image.digest === digest);
    if (present !== undefined && (input.imageTag == null || present.tags.includes(input.imageTag))) {
      throw ecrError(
        'ImageAlreadyExistsException',
        `Image with digest '${digest}' and tag '${input.imageTag ?? 'null'}' already exists in the repository with name '${name}' in registry with id '${REGISTRY_ID}'`,
      );
    }
    const mediaType = input.imageManifestMediaType ?? mediaTypeOf(input.imageManifest);
    const tags = input.imageTag == null ? [] : [input.imageTag];
    await ecr.registry
      .putManifest(name, { bytes, digest, mediaType }, { tags, visitor: call.visitor })
      .catch((error: unknown) => {
        throw refusal(error, { name, tag: input.imageTag ?? '', mediaType });
      });
    return {
      image: {
        registryId: REGISTRY_ID,
        repositoryName: name,
        imageId: { imageDigest: digest, ...(input.imageTag == null ? {} : { imageTag: input.imageTag }) },
        imageManifest: input.imageManifest,
        imageManifestMediaType: mediaType,
      },
    };
  });
}

function mediaTypeOf(manifest: string): string {
  let document: { mediaType?: unknown; manifests?: unknown };
  try {
    document = JSON.parse(manifest);
  } catch {
    throw invalidParameter('ImageManifest', 'Invalid JSON syntax');
  }
  if (typeof document?.mediaType === 'string') return document.mediaType;
  return document?.manifests === undefined ? MediaType.ociManifest : MediaType.ociIndex;
}

/** What the registry refuses, in AWS's names. */
function refusal(
  error: unknown,
  { name, tag, mediaType }: { readonly name: string; readonly tag: string; readonly mediaType: string },
): unknown {
  if (!isSlipwayError(error)) return error;
  const { code, reason, message } = error;
  if (reason === 'MANIFEST_BLOB_UNKNOWN') {
    return ecrError(
      isIndexType(mediaType) ? 'ReferencedImagesNotFoundException' : 'LayersNotFoundException',
      message,
      error,
    );
  }
  if (code === 'FailedPrecondition' && reason === 'DENIED') {
    return ecrError(
      'ImageTagAlreadyExistsException',
      `The image tag '${tag}' already exists in the '${name}' repository and cannot be overwritten because the repository is immutable.`,
      error,
    );
  }
  if (code === 'ResourceExhausted') return ecrError('LimitExceededException', message, error);
  return code === 'InvalidArgument' ? ecrError('InvalidParameterException', message, error) : error;
}
