import { formatTimeNs } from '@slipway/base';
import {
  type Descriptor,
  type DiffId,
  formatFamiliar,
  hostPlatform,
  type ImageConfig,
  type ImageRunConfig,
  parsePlatform,
  type Reference,
} from '@slipway/oci';
import { decompressArchive } from '@slipway/store';
import { layerDescriptor } from './archive-reader.ts';
import { applyChanges } from './changes.ts';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';
import { registerImage } from './register.ts';

export interface ImportOptions {
  readonly reference: Reference | undefined;
  /** Empty: `Imported from -`. */
  readonly message: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** `os/architecture`; empty: this machine's. */
  readonly platform: string;
  readonly signal: AbortSignal;
}

/**
 * An image of one layer from a file system's tar, which may be gzip'd or zstd'd.
 * @throws InvalidArgument for a bad change, platform or archive; DataLoss for a truncated one
 */
export async function importImage(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  { reference, message, changes, platform, signal }: ImportOptions,
): Promise<Image> {
  const config = applyChanges(changes);
  const image = await imageFromTar(context, archive, {
    config,
    platform: platform === '' ? hostPlatform() : parsePlatform(platform),
    createdAt: formatTimeNs(context.clock.nowNs()),
    history: { comment: message || 'Imported from -' },
    references: reference === undefined ? [] : [reference],
    signal,
  });
  publish(context, 'import', image.id, reference === undefined ? image.id : formatFamiliar(reference));
  return image;
}

export interface TarImageOptions {
  readonly config: ImageRunConfig;
  readonly platform: {
    readonly os: string;
    readonly architecture: string;
    readonly variant?: string | undefined;
  };
  /** RFC 3339. */
  readonly createdAt: string;
  readonly history: { readonly comment?: string; readonly created_by?: string };
  readonly references: readonly Reference[];
  readonly signal: AbortSignal;
}

/** Stores the tar as the image's only layer, and records the image. A failure leaves nothing. */
export async function imageFromTar(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  { config, platform, createdAt, history, references, signal }: TarImageOptions,
): Promise<Image> {
  const describe = (layer: Descriptor) => ({
    document: {
      architecture: platform.architecture,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      os: platform.os,
      created: createdAt,
      config,
      rootfs: { type: 'layers' as const, diff_ids: [layer.digest as string as DiffId] },
      history: [{ created: createdAt, ...history }],
    },
    layers: [layer],
  });
  return await imageWithLayer(context, decompressArchive(archive), describe, { references, signal });
}

/** Stores a tar as a layer and records the image that `describe` makes of it. A failure leaves nothing. */
export async function imageWithLayer(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  describe: (layer: Descriptor) => { readonly document: ImageConfig; readonly layers: readonly Descriptor[] },
  { references, signal }: Pick<TarImageOptions, 'references' | 'signal'>,
): Promise<Image> {
  const { content, leases } = context.store;
  const lease = leases.acquire();
  let done = false;
  try {
    await using ingest = await content.ingest();
    for await (const chunk of archive) {
      signal.throwIfAborted();
      await ingest.write(chunk);
    }
    const { digest, sizeBytes: size } = await ingest.commit();
    const { document, layers } = describe(layerDescriptor({ digest, size, compression: 'none' }));
    lease.add({ blobs: [digest, ...layers.map((layer) => layer.digest)] });
    const configBytes = Buffer.from(JSON.stringify(document));
    const image = await registerImage(context, { configBytes, layers, references }, { lease, signal });
    done = true;
    return image;
  } finally {
    await lease[Symbol.asyncDispose]();
    if (!done) await context.collectGarbage();
  }
}
