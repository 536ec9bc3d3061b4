import type { Filters } from '@slipway/api/docker';
import type { ImageContext } from './context.ts';
import { compileFilters, danglingFilter } from './filters.ts';
import { type RemovedImage, removeUnused } from './remove.ts';

export interface PruneReport {
  readonly removed: readonly RemovedImage[];
  readonly freedBytes: number;
}

/** Marks an image that Slipway made for itself: pruning, even with `--all`, leaves it; `rmi` does not. */
export const KEPT_LABEL = 'io.slipway.kept';

/**
 * Removes the images that no container stands on: those without a tag, or, with `dangling=false`, all.
 * @throws InvalidArgument for a bad filter
 */
export async function pruneImages(context: ImageContext, filters: Filters): Promise<PruneReport> {
  const danglingOnly = danglingFilter(filters) ?? true;
  const others = new Map(filters);
  others.delete('dangling');
  const matches = compileFilters(context, others);
  const removed: RemovedImage[] = [];
  for (const image of context.catalog.list()) {
    if (danglingOnly && image.repoTags.length > 0) continue;
    if (image.config.Labels?.[KEPT_LABEL] !== undefined) continue;
    if (!matches(image) || context.usersOf(image.id).length > 0) continue;
    removeUnused(context, image, removed);
  }
  const { freedBytes } = removed.length > 0 ? await context.collectGarbage() : { freedBytes: 0 };
  return { removed, freedBytes };
}
