import { errorMessage, isSlipwayError, mapConcurrent, SlipwayError } from '@slipway/base';
import type { Lease, Store } from '@slipway/store';
import type { BuiltLayer, CacheImport, PortableResult } from '../solver.ts';

const BLOBS_AT_ONCE = 4;

export interface BringOptions {
  /** Keeps what comes. */
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly onProgress: (blob: BuiltLayer['blob'], receivedBytes: number) => void;
}

/**
 * Fetches the layers of a result that was made elsewhere, those that are not here, and unpacks them.
 * @throws what the other side says; DataLoss for a layer that is not what it was said to be
 */
export async function bringLayers(
  { content, unpackImage }: Pick<Store, 'content' | 'unpackImage'>,
  { layers }: Pick<PortableResult, 'layers'>,
  from: CacheImport,
  { lease, signal, onProgress }: BringOptions,
): Promise<void> {
  lease.add({
    blobs: layers.map(({ blob }) => blob.digest),
    snapshots: layers.map(({ chainId }) => chainId),
  });
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  await mapConcurrent(layers, BLOBS_AT_ONCE, async ({ blob }) => {
    try {
      both.throwIfAborted();
      if ((await content.find(blob.digest)) !== undefined) return;
      await using ingest = await content.ingest({ digest: blob.digest, sizeBytes: blob.size });
      for await (const chunk of from.openBlob(blob, { signal: both })) {
        await ingest.write(chunk);
        onProgress(blob, ingest.writtenBytes);
      }
      both.throwIfAborted();
      await ingest.commit();
    } catch (error) {
      failed.abort(error);
      throw signal.aborted ? error : incomplete(error);
    }
  });
  await unpackImage({
    diffIds: layers.map(({ diffId }) => diffId),
    openLayer: (index) => content.source((layers[index] as BuiltLayer).blob.digest),
    signal,
  });
}

/** The build cache promised more than it has, or its registry is gone. */
const incomplete = (cause: unknown): SlipwayError =>
  new SlipwayError(
    isSlipwayError(cause) ? cause.code : 'Unavailable',
    `a step of the build cache cannot be fetched: ${errorMessage(cause)}; build again without --cache-from`,
    { cause },
  );
