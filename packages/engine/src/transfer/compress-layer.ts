import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SlipwayError } from '@slipway/base';
import { type Descriptor, type Digest, layerCompression, MediaType } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import type { TransferContext } from './context.ts';
import type { Twin } from './records.ts';

/** Two thirds of the work of zlib's own default, for a few hundredths more bytes. */
const LEVEL = 4;
const CHUNK_BYTES = 256 << 10;

/**
 * The gzip'd form of a plain layer, as a blob that `lease` holds, and remembers which it is. The work is done by Node's
 * thread pool; the same layer gives the same bytes.
 * @throws NotFound when the layer is not there; Canceled
 */
export async function compressLayer(
  { store, records, clock }: TransferContext,
  plain: Digest,
  {
    lease,
    signal,
    onProgress,
  }: { lease: Lease; signal: AbortSignal; onProgress: (readBytes: number) => void },
): Promise<Twin> {
  const input = Readable.from(counted(store.content.open(plain), onProgress), {
    objectMode: false,
    highWaterMark: CHUNK_BYTES,
  });
  const gzip = createGzip({ level: LEVEL, chunkSize: CHUNK_BYTES });
  await using ingest = await store.content.ingest();
  try {
    await pipeline(
      input,
      gzip,
      async (compressed: AsyncIterable<Buffer>) => {
        for await (const chunk of compressed) await ingest.write(chunk);
      },
      { signal },
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SlipwayError('Canceled', 'compressing the layer was canceled', { cause: signal.reason });
  }
  const { digest, sizeBytes } = await ingest.commit();
  lease.add({ blobs: [digest] });
  const twin = { digest, sizeBytes };
  records.putTwin(plain, twin, clock.nowMs());
  return twin;
}

/**
 * The gzip'd form of a plain layer, any other layer as it is. One that was made before is not made again where it is wanted
 * no more (`isThere`).
 */
export async function compressedLayer(
  context: TransferContext,
  layer: Descriptor,
  {
    lease,
    signal,
    isThere,
  }: {
    readonly lease: Lease;
    readonly signal: AbortSignal;
    readonly isThere: (digest: Digest) => Promise<boolean>;
  },
): Promise<Descriptor> {
  if (layerCompression(layer.mediaType) !== 'none') return layer;
  const earlier = context.records.findTwin(layer.digest);
  const isKnown = earlier !== undefined && (await isThere(earlier.digest));
  const { digest, sizeBytes } = isKnown
    ? earlier
    : await compressLayer(context, layer.digest, { lease, signal, onProgress: () => {} });
  return { mediaType: MediaType.ociLayerGzip, digest, size: sizeBytes };
}

async function* counted(source: AsyncIterable<Uint8Array>, onProgress: (readBytes: number) => void) {
  let readBytes = 0;
  for await (const chunk of source) {
    readBytes += chunk.byteLength;
    onProgress(readBytes);
    yield chunk;
  }
}
