import type { ProgressMessage } from '@slipway/api/docker';
import { SlipwayError, shortId } from '@slipway/base';
import { computeDigest, type Descriptor, formatFamiliar, parseImageConfig } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import { type ArchivedImage, claimedDigest, readLayout } from './archive-layout.ts';
import { type ArchiveContents, layerDescriptor, readArchive } from './archive-reader.ts';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';
import { byteProgress, progressOf, type Report } from './progress.ts';
import { registerImage } from './register.ts';

export interface LoadOptions {
  /** Only what was loaded, no progress. */
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/**
 * Brings in the images of an archive (docker-archive or OCI layout, plain, gzip'd or zstd'd), as it arrives. A failure
 * leaves nothing of the image it happened in.
 * @throws DataLoss for an archive that is truncated or lies about a digest; InvalidArgument for what is no image archive
 */
export function loadImages(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  { quiet, signal }: LoadOptions,
): AsyncGenerator<ProgressMessage> {
  return progressOf(
    (report, signal) => load(context, archive, quiet ? () => {} : report, report, signal),
    signal,
  );
}

async function load(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  progress: Report,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const lease = context.store.leases.acquire();
  let done = false;
  try {
    await using contents = await readArchive(archive, {
      store: context.store,
      lease,
      signal,
      isUnpacked: (digest) => context.catalog.hasLayer(digest),
      onBlob: (name, totalBytes) =>
        byteProgress(progress, context.clock, {
          id: nameForProgress(name),
          status: 'Loading layer',
          totalBytes,
        }),
    });
    for (const archived of await readLayout(contents)) {
      const image = await loadImage(context, contents, archived, { lease, signal, progress });
      for (const reference of archived.references) {
        report({ stream: `Loaded image: ${formatFamiliar(reference)}\n` });
      }
      if (archived.references.length === 0) report({ stream: `Loaded image ID: ${image.id}\n` });
      publish(context, 'load', image.id, image.repoTags[0] ?? image.id);
    }
    done = true;
  } finally {
    await lease[Symbol.asyncDispose]();
    // What a broken archive brought, and documents of a good one that nothing names.
    if (!done) await context.collectGarbage();
  }
}

async function loadImage(
  context: ImageContext,
  contents: ArchiveContents,
  archived: ArchivedImage,
  { lease, signal, progress }: { lease: Lease; signal: AbortSignal; progress: Report },
): Promise<Image> {
  const configBytes = await contents.read(archived.configPath);
  requireClaim(archived.configPath, configBytes);
  const diffIds = parseImageConfig(configBytes).rootfs.diff_ids;
  if (diffIds.length !== archived.layerPaths.length) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${archived.layerPaths.length}`,
    );
  }
  const layers: Descriptor[] = [];
  for (const [index, path] of archived.layerPaths.entries()) {
    const blob = await contents.blob(path);
    const claimed = archived.layers?.[index];
    if (claimed !== undefined && (claimed.digest !== blob.digest || claimed.size !== blob.size)) {
      throw new SlipwayError(
        'DataLoss',
        `the manifest says that layer ${index} is ${claimed.digest} of ${claimed.size} bytes, and it is ${blob.digest} of ${blob.size}`,
      );
    }
    if (blob.compression === 'none' && (blob.digest as string) !== diffIds[index]) {
      throw new SlipwayError(
        'DataLoss',
        `${path} of the archive should be ${diffIds[index]} and is ${blob.digest}: the archive is damaged`,
      );
    }
    layers.push(claimed ?? layerDescriptor(blob));
  }
  const unpacking = diffIds.map((diffId, index) =>
    byteProgress(progress, context.clock, {
      id: shortId(diffId),
      status: 'Unpacking layer',
      totalBytes: layers[index]?.size ?? 0,
    }),
  );
  return await registerImage(
    context,
    { configBytes, layers, manifestBytes: archived.manifest, references: archived.references },
    {
      lease,
      signal,
      ahead: (index) => {
        const layer = contents.ahead(archived.layerPaths[index] as string);
        const blob = layers[index]?.digest;
        return layer === undefined || blob === undefined ? undefined : { layer, blob };
      },
      onProgress: ({ layerIndex, readBytes, done }) =>
        unpacking[layerIndex]?.(done ? (layers[layerIndex]?.size ?? 0) : readBytes),
    },
  );
}

/** A file whose name is a digest must have that digest. */
function requireClaim(name: string, bytes: Uint8Array): void {
  const claimed = claimedDigest(name);
  const actual = computeDigest(bytes);
  if (claimed !== undefined && claimed !== actual) {
    throw new SlipwayError(
      'DataLoss',
      `${name} of the archive is ${actual}, not what its name says: it is damaged`,
    );
  }
}

/** Layers are known by the digits in their path: `blobs/sha256/abc…`, `abc…/layer.tar`. */
const nameForProgress = (name: string): string => shortId(/[a-f0-9]{64}/.exec(name)?.[0] ?? name);
