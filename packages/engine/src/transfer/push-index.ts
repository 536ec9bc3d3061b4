import { collectBytes, mapConcurrent, SlipwayError } from '@slipway/base';
import type { Credentials, FetchedManifest, Repository } from '@slipway/distribution/client';
import {
  type Descriptor,
  type Digest,
  formatFamiliar,
  formatPlatform,
  isConfigType,
  type Manifest,
  MediaType,
  parseImageConfig,
  parseManifestOrIndex,
  type Reference,
  repositoryName,
  withDefaultTag,
} from '@slipway/oci';
import { CONFIG_MAX_BYTES } from './check-manifest.ts';
import type { TransferContext } from './context.ts';
import { pullError, pushError } from './docker-words.ts';
import { mountCandidates } from './push-layer.ts';

export interface IndexRequest {
  readonly target: Reference;
  /** Images or indexes in registries, whose images the index will name. */
  readonly sources: readonly Reference[];
  readonly credentials: (domain: string) => Credentials | undefined;
}

const SOURCES_MAX = 64;
const BLOBS_AT_ONCE = 4;

interface SourceImage {
  readonly from: Repository;
  readonly reference: Reference;
  readonly manifest: Manifest;
  readonly fetched: FetchedManifest;
  /** As the index will name it. */
  readonly descriptor: Descriptor;
}

/**
 * Makes one index of images for several platforms and pushes it, with what it names: blobs are mounted where the registry
 * is the same, and copied where it is another.
 * @throws NotFound for a source that is not there; InvalidArgument for two images of one platform
 * @see https://github.com/opencontainers/image-spec/blob/main/image-index.md
 */
export async function pushIndex(
  context: TransferContext,
  { target, sources, credentials }: IndexRequest,
  signal: AbortSignal,
): Promise<{
  readonly digest: Digest;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
}> {
  if (sources.length === 0 || sources.length > SOURCES_MAX) {
    throw new SlipwayError('InvalidArgument', `name 1 to ${SOURCES_MAX} images, not ${sources.length}`);
  }
  if (target.digest !== undefined) {
    throw new SlipwayError('InvalidArgument', `${formatFamiliar(target)}: an index is pushed to a tag`);
  }
  const client = await context.client();
  const images: SourceImage[] = [];
  for (const source of sources) {
    const reference = withDefaultTag(source);
    const from = client.repository(reference, credentials(reference.domain));
    try {
      images.push(...(await imagesOf(from, reference, signal)));
    } catch (error) {
      throw pullError(error, reference);
    }
  }
  requireOneForEachPlatform(images);
  const to = client.repository(target, credentials(target.domain));
  const named = withDefaultTag(target);
  try {
    for (const image of images) await copyImage(context, image, to, signal);
    const isDocker = images.every(({ descriptor }) => descriptor.mediaType === MediaType.dockerManifest);
    const mediaType = isDocker ? MediaType.dockerManifestList : MediaType.ociIndex;
    const manifests = images.map(({ descriptor }) => descriptor);
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
    const { digest } = await to.pushManifest(named.tag as string, { bytes, mediaType }, { signal });
    return { digest, mediaType, manifests };
  } catch (error) {
    throw pushError(error, target);
  }
}

/** The image that a name means, or all of them where it is an index. */
async function imagesOf(from: Repository, reference: Reference, signal: AbortSignal): Promise<SourceImage[]> {
  const top = await from.getManifest(reference.digest ?? (reference.tag as string), { signal });
  const document = parseManifestOrIndex(top.bytes, top.descriptor.mediaType);
  if (document.kind === 'manifest') {
    const { mediaType, digest, size } = top.descriptor;
    const platform = await platformOf(from, document.manifest, signal);
    const descriptor = { mediaType, digest, size, ...(platform === undefined ? {} : { platform }) };
    return [{ from, reference, manifest: document.manifest, fetched: top, descriptor }];
  }
  return await mapConcurrent(document.index.manifests, BLOBS_AT_ONCE, async (descriptor) => {
    const fetched = await from.getManifest(descriptor.digest, { signal });
    const child = parseManifestOrIndex(fetched.bytes, fetched.descriptor.mediaType);
    if (child.kind === 'manifest') return { from, reference, manifest: child.manifest, fetched, descriptor };
    throw new SlipwayError(
      'InvalidArgument',
      `${formatFamiliar(reference)} is an index of indexes: name the images themselves`,
    );
  });
}

async function platformOf(
  from: Repository,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Descriptor['platform']> {
  const { config } = manifest;
  if (!isConfigType(config.mediaType)) return undefined;
  const bytes = await collectBytes(from.openBlob(config, { signal }), CONFIG_MAX_BYTES);
  const { os, architecture, variant } = parseImageConfig(bytes);
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function requireOneForEachPlatform(images: readonly SourceImage[]): void {
  const seen = new Map<string, Reference>();
  for (const { descriptor, reference } of images) {
    const { platform } = descriptor;
    // Attestations stand beside the images under a platform that nothing runs on.
    if (!platform || platform.os === 'unknown') continue;
    const { os, architecture, variant } = platform;
    const key = [
      formatPlatform({ os, architecture, variant: variant ?? undefined }),
      platform['os.version'] ?? '',
    ].join();
    const other = seen.get(key);
    if (other !== undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `${formatFamiliar(other)} and ${formatFamiliar(reference)} are both for ${os}/${architecture}: an index names one image for each platform`,
      );
    }
    seen.set(key, reference);
  }
}

async function copyImage(
  context: TransferContext,
  { from, manifest, fetched }: SourceImage,
  to: Repository,
  signal: AbortSignal,
): Promise<void> {
  if (repositoryName(from.name) === repositoryName(to.name)) return;
  const blobs = [manifest.config, ...manifest.layers].filter(({ urls }) => urls === undefined);
  const known = from.name.domain === to.name.domain ? [from.name.path] : [];
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  await mapConcurrent(blobs, BLOBS_AT_ONCE, async (descriptor) => {
    const open = (offset: number) => from.openBlob(descriptor, { offset, signal: both });
    try {
      await to.pushBlob(
        { descriptor, open, mountFrom: mountCandidates(context, to.name, descriptor.digest, known) },
        { signal: both },
      );
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  const { mediaType, digest } = fetched.descriptor;
  await to.pushManifest(digest, { bytes: fetched.bytes, mediaType }, { signal });
  context.records.addPlaces(
    blobs.map((blob) => blob.digest),
    to.name,
    context.clock.nowMs(),
  );
}
