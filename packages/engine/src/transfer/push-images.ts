import { mapConcurrent } from '@slipway/base';
import { type Descriptor, familiarName, type Reference, withDefaultTag } from '@slipway/oci';
import { type Image, type ImageParts, writeImages } from '../images/index.ts';
import { publish, type TransferContext } from './context.ts';
import { type UploadRequest, withUpload } from './upload.ts';

export interface PushImagesRequest extends UploadRequest {
  readonly images: readonly ImageParts[];
  /** The one of them that the engine has; it is known by what the registry calls it from then on. */
  readonly own: Image | undefined;
}

const LAYERS_AT_ONCE = 5;

/**
 * Sends images that are to be one name: for several platforms, or with statements about them.
 * @returns what the name means in the registry now
 */
export async function pushImages(
  context: TransferContext,
  { images, own, ...request }: PushImagesRequest,
  signal: AbortSignal,
): Promise<Descriptor> {
  const { reference } = request;
  const top = await withUpload(context, request, signal, async (upload) => {
    const there: ImageParts[] = [];
    for (const image of images) {
      const layers = await mapConcurrent(image.layers, LAYERS_AT_ONCE, (layer) => upload.layer(layer));
      there.push({ ...image, layers });
    }
    const { tag } = withDefaultTag(reference);
    return await writeImages(upload, there, { name: packageUrl(reference), tag });
  });
  if (own !== undefined) {
    const pinned = { domain: reference.domain, path: reference.path, digest: top.digest };
    publish(context, 'push', context.images.addReferences(own.id, [pinned]), reference);
  }
  return top;
}

/** What a statement calls an image. @see https://github.com/package-url/purl-spec/blob/main/types-doc/docker-definition.md */
export const packageUrl = (reference: Reference): string => {
  const { tag, digest } = withDefaultTag(reference);
  const path = familiarName(reference).split('/').map(encodeURIComponent).join('/');
  return `pkg:docker/${path}@${encodeURIComponent(tag ?? digest ?? '')}`;
};
