import type { ImageContext } from './context.ts';
import type { Image } from './image.ts';

export interface InspectedImage {
  readonly image: Image;
  /** The layers' folders, top first; undefined for an image without layers. */
  readonly folders: readonly string[];
}

/** Everything about an image. @throws NotFound */
export async function inspectImage(context: ImageContext, text: string): Promise<InspectedImage> {
  const image = context.catalog.get(text);
  const folders: string[] = [];
  for (const chainId of image.chainIds.toReversed())
    folders.push(await context.store.snapshots.upperPath(chainId));
  return { image, folders };
}
