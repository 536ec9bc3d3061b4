import {
  computeChainIds,
  type Descriptor,
  type ImageId,
  MediaType,
  parseImageConfig,
  type Reference,
} from '@slipway/oci';
import type { Lease, UnpackProgress, UnpackRequest } from '@slipway/store';
import type { ImageContext } from './context.ts';
import type { Image } from './image.ts';
import { manifestBytes } from './image-documents.ts';

/** An image whose layers are blobs of the store already, all held by a lease. */
export interface NewImage {
  /** The configuration's exact bytes: their digest is the image's id. */
  readonly configBytes: Uint8Array;
  readonly layers: readonly Descriptor[];
  /** The exact bytes of the manifest it came with; one is made when it came without. */
  readonly manifestBytes?: { readonly bytes: Uint8Array; readonly mediaType: string } | undefined;
  readonly references: readonly Reference[];
  /** What the names stand for, where that is more than this image: an index in the store that names it. */
  readonly index?: Descriptor | undefined;
}

export interface RegisterOptions {
  readonly lease: Lease;
  readonly signal?: AbortSignal | undefined;
  /** @see UnpackRequest.ahead */
  readonly ahead?: UnpackRequest['ahead'];
  readonly onProgress?: ((progress: UnpackProgress) => void) | undefined;
}

/**
 * Unpacks an image's layers and records it under its names: the last step of load, import, bootstrap and pull.
 * @throws DataLoss when a layer is not what its diffID says; InvalidArgument for a bad configuration or layer
 */
export async function registerImage(
  context: ImageContext,
  { configBytes, layers, manifestBytes: given, references, index }: NewImage,
  { lease, signal, ahead, onProgress }: RegisterOptions,
): Promise<Image> {
  const { store, catalog, clock } = context;
  const document = parseImageConfig(configBytes);
  const diffIds = document.rootfs.diff_ids;
  const config = await store.content.write(configBytes);
  const described = { mediaType: MediaType.ociConfig, digest: config.digest, size: config.sizeBytes };
  const manifest = given ?? { bytes: manifestBytes(described, layers), mediaType: MediaType.ociManifest };
  const manifestBlob = await store.content.write(manifest.bytes);
  const chainIds = computeChainIds(diffIds);
  lease.add({ blobs: [config.digest, manifestBlob.digest], snapshots: chainIds });
  await store.unpackImage({
    diffIds,
    openLayer: (index) => store.content.source((layers[index] as Descriptor).digest),
    signal,
    onProgress,
    ...(ahead === undefined ? {} : { ahead }),
  });
  let sizeBytes = 0;
  for (const chainId of chainIds) sizeBytes += (await store.snapshots.usage(chainId)).sizeBytes;
  signal?.throwIfAborted();
  return catalog.add(
    {
      id: config.digest as unknown as ImageId,
      manifest: { mediaType: manifest.mediaType, digest: manifestBlob.digest, size: manifestBlob.sizeBytes },
      layers,
      document,
      sizeBytes,
      addedAtMs: clock.nowMs(),
      lastTaggedAtMs: references.length > 0 ? clock.nowMs() : undefined,
    },
    references,
    clock.nowMs(),
    index,
  );
}
