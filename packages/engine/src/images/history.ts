import type { ImageContext } from './context.ts';

/** A step of an image's making, the newest first. */
export interface HistoryStep {
  /** The image's id on its newest step; the others' images are not here. */
  readonly id: string | undefined;
  /** RFC 3339. */
  readonly createdAt: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  /** What the step's layer takes on disk; 0 for a step that made none. */
  readonly sizeBytes: number;
  readonly tags: readonly string[];
}

/** How the image was made. @throws NotFound */
export async function imageHistory(context: ImageContext, text: string): Promise<HistoryStep[]> {
  const image = context.catalog.get(text);
  const steps: HistoryStep[] = [];
  let layer = 0;
  for (const step of image.document.history ?? []) {
    const chainId = step.empty_layer === true ? undefined : image.chainIds[layer++];
    steps.push({
      id: undefined,
      createdAt: step.created,
      createdBy: step.created_by ?? '',
      comment: step.comment ?? '',
      sizeBytes: chainId === undefined ? 0 : (await context.store.snapshots.usage(chainId)).sizeBytes,
      tags: [],
    });
  }
  steps.reverse();
  const newest = steps[0];
  if (newest !== undefined) steps[0] = { ...newest, id: image.id, tags: image.repoTags };
  return steps;
}
