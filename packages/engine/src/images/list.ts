import type { Filters } from '@slipway/api/docker';
import type { ChainId } from '@slipway/oci';
import type { ImageContext } from './context.ts';
import { compileFilters, compileReferencePatterns } from './filters.ts';
import type { Image } from './image.ts';

export interface ListedImage {
  readonly image: Image;
  /** The names that the `reference` filter lets through; all without it. */
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** What its layers shared with other images take; undefined when not asked for. */
  readonly sharedSizeBytes: number | undefined;
  readonly containers: number;
}

/** Images, newest first. @throws InvalidArgument for a bad filter */
export async function listImages(
  context: ImageContext,
  { filters, sharedSize = false }: { filters: Filters; sharedSize?: boolean },
): Promise<ListedImage[]> {
  const matches = compileFilters(context, filters);
  const patterns = filters.get('reference');
  const matchesName = patterns === undefined ? undefined : compileReferencePatterns(patterns);
  const shared = sharedSize ? await sharedSizes(context) : undefined;
  const listed: ListedImage[] = [];
  for (const image of context.catalog.list()) {
    if (!matches(image)) continue;
    const repoTags = matchesName ? image.repoTags.filter(matchesName) : image.repoTags;
    const repoDigests = matchesName ? image.repoDigests.filter(matchesName) : image.repoDigests;
    if (matchesName !== undefined && repoTags.length + repoDigests.length === 0) continue;
    listed.push({
      image,
      repoTags,
      repoDigests,
      sharedSizeBytes: shared?.get(image),
      containers: context.usersOf(image.id).filter(({ kind }) => kind === 'container').length,
    });
  }
  return listed;
}

/** What all images' layers take on disk, each layer once. */
export async function layersSizeBytes(context: ImageContext): Promise<number> {
  let sizeBytes = 0;
  for (const chainId of new Set(context.catalog.roots().snapshots))
    sizeBytes += await usage(context, chainId);
  return sizeBytes;
}

async function sharedSizes(context: ImageContext): Promise<Map<Image, number>> {
  const images = context.catalog.list();
  const users = new Map<ChainId, number>();
  for (const image of images) for (const id of image.chainIds) users.set(id, (users.get(id) ?? 0) + 1);
  const sizes = new Map<Image, number>();
  for (const image of images) {
    let sizeBytes = 0;
    for (const id of image.chainIds) if ((users.get(id) ?? 0) > 1) sizeBytes += await usage(context, id);
    sizes.set(image, sizeBytes);
  }
  return sizes;
}

const usage = async (context: ImageContext, chainId: ChainId): Promise<number> =>
  (await context.store.snapshots.usage(chainId)).sizeBytes;
