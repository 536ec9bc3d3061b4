import { type Clock, collectBytes, mapConcurrent, SlipwayError, shortId } from '@slipway/base';
import type { Repository } from '@slipway/distribution/client';
import {
  computeDigest,
  type Descriptor,
  type Digest,
  type Manifest,
  type Platform,
  parseImageConfig,
  type Reference,
} from '@slipway/oci';
import { byteProgress, type Image, type Report } from '../images/index.ts';
import { CONFIG_MAX_BYTES, isImageWrong, requireConfig } from './check-manifest.ts';
import type { TransferContext } from './context.ts';
import type { DownloadedBlob } from './downloads.ts';
import { isDiskFull } from './pull-leases.ts';

/** Layers of one pull that are fetched at once. */
const LAYERS_AT_ONCE = 6;

/** An image whose manifest is known. */
export interface ImageToFetch {
  readonly manifest: Manifest;
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly repository: Repository;
  /** What people are told it is called. */
  readonly name: string;
  readonly platform: Platform | undefined;
  /** What it is called once it is here. */
  readonly references: readonly Reference[];
}

/**
 * Fetches what is not here of an image, and registers it. The configuration and the layers come side by side, and layers
 * are unpacked while they arrive. What came of a fetch that fails is kept, so that the next one goes on; of an image that
 * is wrong itself nothing is.
 * @throws what the registry refuses; DataLoss for what is not what its digest says; InvalidArgument
 */
export async function fetchImage(
  context: TransferContext,
  image: ImageToFetch,
  report: Report,
  signal: AbortSignal,
): Promise<Image> {
  const { manifest, descriptor, bytes, references } = image;
  const { images, records, clock, repository } = { ...context, ...image };
  const known = images.find(manifest.config.digest);
  if (known !== undefined) {
    requireConfig(known.document, manifest, image);
    for (const { digest } of manifest.layers) report(layerStatus(digest, 'Already exists'));
    return images.addReferences(known.id, references);
  }
  const blobs = [manifest.config, ...manifest.layers].map(({ digest }) => digest);
  await using kept = context.leases.acquire(descriptor.digest, blobs);
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const config = fetchConfig(context, image, both);
  const layers = fetchLayers(context, image, report, both);
  try {
    const [configBytes] = await Promise.all([config, layers]);
    await using fetched = await layers;
    const registered = await images.register(
      {
        configBytes,
        layers: manifest.layers,
        manifestBytes: { bytes, mediaType: descriptor.mediaType },
        references,
      },
      {
        lease: kept.lease,
        signal,
        ahead: (index) => {
          const layer = fetched.ahead(index);
          const blob = manifest.layers[index]?.digest;
          return layer === undefined || blob === undefined ? undefined : { layer, blob };
        },
        onProgress: unpackProgress(manifest, report, context.clock),
      },
    );
    records.addPlaces(blobs, repository.name, clock.nowMs());
    await kept.end();
    return registered;
  } catch (error) {
    stop.abort(error);
    await config.catch(() => {});
    await layers.then(
      (fetched) => fetched[Symbol.asyncDispose](),
      () => {},
    );
    if (isDiskFull(error) || isImageWrong(error)) {
      await kept.end();
      await images.collectGarbage();
    }
    throw error;
  }
}

async function fetchConfig(
  { store }: TransferContext,
  { manifest, repository, name, platform }: ImageToFetch,
  signal: AbortSignal,
): Promise<Buffer> {
  const { digest, size } = manifest.config;
  const isHere = (await store.content.find(digest)) !== undefined;
  const bytes = isHere
    ? await store.content.read(digest, CONFIG_MAX_BYTES)
    : await collectBytes(repository.openBlob({ digest, size }, { signal }), CONFIG_MAX_BYTES);
  const actual = computeDigest(bytes);
  if (actual !== digest) {
    throw new SlipwayError(
      'DataLoss',
      `the registry's configuration of ${name} is ${actual}, not ${digest} as the manifest says`,
    );
  }
  requireConfig(parseImageConfig(bytes), manifest, { name, platform });
  return bytes;
}

/** The layers' blobs, by their index. Disposing drops what nobody took. */
interface FetchedLayers extends AsyncDisposable {
  ahead(index: number): DownloadedBlob['ahead'];
}

async function fetchLayers(
  context: TransferContext,
  { manifest, repository }: ImageToFetch,
  report: Report,
  signal: AbortSignal,
): Promise<FetchedLayers> {
  const { layers } = manifest;
  for (const { digest } of layers) report(layerStatus(digest, 'Pulling fs layer'));
  // The largest first: they take longest to unpack. Whoever waits at the end waits for little.
  const order = [...layers.keys()].sort(
    (a, b) => (layers[b] as Descriptor).size - (layers[a] as Descriptor).size,
  );
  for (const index of order.slice(LAYERS_AT_ONCE))
    report(layerStatus((layers[index] as Descriptor).digest, 'Waiting'));
  const held = new AsyncDisposableStack();
  const blobs = new Map<number, DownloadedBlob>();
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const outcomes = await mapConcurrent(
    order,
    LAYERS_AT_ONCE,
    async (index): Promise<{ error: unknown } | undefined> => {
      try {
        const layer = layers[index] as Descriptor;
        const blob = await fetchLayer(context, layer, repository, report, both);
        held.use(blob);
        blobs.set(index, blob);
        return undefined;
      } catch (error) {
        const isFirst = !failed.signal.aborted;
        failed.abort(error);
        return isFirst ? { error } : undefined;
      }
    },
  );
  const failure = outcomes.find((outcome) => outcome !== undefined);
  if (failure !== undefined) {
    await held[Symbol.asyncDispose]();
    throw failure.error;
  }
  return {
    ahead: (index) => blobs.get(index)?.ahead,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

async function fetchLayer(
  { downloads, clock }: TransferContext,
  layer: Descriptor,
  from: Repository,
  report: Report,
  signal: AbortSignal,
): Promise<DownloadedBlob> {
  const downloading = byteProgress(report, clock, {
    id: shortId(layer.digest),
    status: 'Downloading',
    totalBytes: layer.size,
  });
  const blob = await downloads.fetch({
    layer,
    from,
    unpack: true,
    signal,
    onStep: (step) => {
      if (step.kind === 'receiving') downloading(step.receivedBytes);
      else if (step.kind === 'verifying') report(layerStatus(layer.digest, 'Verifying Checksum'));
      else report(layerStatus(layer.digest, 'Download complete'));
    },
  });
  if (blob.wasThere) report(layerStatus(layer.digest, 'Already exists'));
  return blob;
}

function unpackProgress({ layers }: Manifest, report: Report, clock: Clock) {
  const extracting = layers.map(({ digest, size }) =>
    byteProgress(report, clock, { id: shortId(digest), status: 'Extracting', totalBytes: size }),
  );
  return ({ layerIndex, readBytes, done }: { layerIndex: number; readBytes: number; done: boolean }) => {
    const layer = layers[layerIndex] as Descriptor;
    extracting[layerIndex]?.(done ? layer.size : readBytes);
    if (done) report(layerStatus(layer.digest, 'Pull complete'));
  };
}

const layerStatus = (digest: Digest, status: string) => ({ status, progressDetail: {}, id: shortId(digest) });
