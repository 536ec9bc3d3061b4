import { mapConcurrent } from '@slipway/base';
import {
  type BuildResult,
  type BuildSession,
  type BuiltLayer,
  CACHE_CONFIG_TYPE,
  type CacheImport,
  type CacheMode,
  type ExportedStep,
  writeCacheConfig,
} from '@slipway/build';
import { computeDigest, type Descriptor, type Digest, MediaType } from '@slipway/oci';
import type { Lease, Store } from '@slipway/store';
import type { TransferService } from '../../transfer/index.ts';
import type { CacheTarget } from './entries.ts';

export interface ExportContext {
  readonly store: Store;
  readonly transfer: TransferService;
}

/** A folder of blobs that is somewhere else. */
export interface WritableBlobs {
  has(digest: Digest): Promise<boolean>;
  /** Does nothing when it is there. */
  write(blob: Pick<Descriptor, 'digest' | 'size'>, bytes: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Sends the cache of what was built to a registry. Layers that are not here go from where they are. */
export async function pushCache(
  { store, transfer }: ExportContext,
  results: readonly BuildResult[],
  { reference, asManifest, mode }: Extract<CacheTarget, { type: 'registry' }>,
  { session, signal }: { readonly session: Pick<BuildSession, 'credentials'>; readonly signal: AbortSignal },
): Promise<Descriptor> {
  const credentials = await session.credentials(reference.domain);
  await using lease = store.leases.acquire();
  const builds = await stepsOf(results, mode, lease);
  return await transfer.upload({ reference, credentials, lease }, signal, async (upload) => {
    const sink: CacheSink = {
      layer: (layer, from) =>
        upload.layer(layer, from && ((offset) => from.openBlob(layer, { offset, signal }))),
      blob: (bytes, mediaType) => upload.blob(bytes, mediaType),
      top: (bytes, mediaType) => upload.document(bytes, mediaType, reference.tag),
    };
    return await exportCache(sink, builds, { asManifest });
  });
}

/** Writes the cache of what was built into a folder of the client, plain layers gzip'd unless that is not wanted. */
export async function writeCache(
  { store, transfer }: ExportContext,
  results: readonly BuildResult[],
  { mode, isPlain, asManifest }: Extract<CacheTarget, { type: 'local' }>,
  folder: WritableBlobs,
  signal: AbortSignal,
): Promise<Descriptor> {
  await using lease = store.leases.acquire();
  const builds = await stepsOf(results, mode, lease);
  const write = async (bytes: Buffer, mediaType: string): Promise<Descriptor> => {
    const descriptor = { mediaType, digest: computeDigest(bytes), size: bytes.length };
    await folder.write(descriptor, once(bytes));
    return descriptor;
  };
  const sink: CacheSink = {
    async layer(layer, from) {
      const isHere = (await store.content.find(layer.digest)) !== undefined;
      const isThere = (digest: Digest) => folder.has(digest);
      const wanted =
        isPlain || !isHere ? layer : await transfer.compressed(layer, { lease, signal, isThere });
      if (await isThere(wanted.digest)) return wanted;
      const bytes =
        isHere || from === undefined ? store.content.open(wanted.digest) : from.openBlob(layer, { signal });
      await folder.write(wanted, bytes);
      return wanted;
    },
    blob: write,
    top: write,
  };
  return await exportCache(sink, builds, { asManifest });
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function stepsOf(
  results: readonly BuildResult[],
  mode: CacheMode,
  lease: Lease,
): Promise<(readonly ExportedStep[])[]> {
  const builds = await Promise.all(results.map((result) => result.exportCache(mode)));
  lease.add({
    blobs: builds.flatMap((steps) => steps.flatMap(({ layers }) => layers.map(({ blob }) => blob.digest))),
  });
  return builds;
}

/** Takes a cache, wherever it is to be. */
interface CacheSink {
  /** @param from who has the layer when it is not here @returns the layer as it is there */
  layer(layer: Descriptor, from: CacheImport | undefined): Promise<Descriptor>;
  blob(bytes: Buffer, mediaType: string): Promise<Descriptor>;
  /** The document that names the others; the last. */
  top(bytes: Buffer, mediaType: string): Promise<Descriptor>;
}

const LAYERS_AT_ONCE = 4;

/** Writes what several builds (platforms) came to as one cache. @returns what names it */
async function exportCache(
  sink: CacheSink,
  builds: readonly (readonly ExportedStep[])[],
  { asManifest }: { readonly asManifest: boolean },
): Promise<Descriptor> {
  const steps = joinSteps(builds);
  const wanted = new Map<Digest, { layer: BuiltLayer; from: CacheImport | undefined }>();
  for (const { layers, from } of steps) {
    for (const layer of layers) wanted.set(layer.blob.digest, { layer, from });
  }
  const there = new Map(
    await mapConcurrent([...wanted], LAYERS_AT_ONCE, async ([digest, { layer, from }]) => {
      return [digest, await sink.layer(layer.blob, from)] as const;
    }),
  );
  const { bytes, layers } = writeCacheConfig(steps, ({ blob }) => there.get(blob.digest) as Descriptor);
  const config = await sink.blob(bytes, CACHE_CONFIG_TYPE);
  const mediaType = asManifest ? MediaType.ociManifest : MediaType.ociIndex;
  const named = asManifest ? { config, layers } : { manifests: [...layers, config] };
  return await sink.top(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...named })), mediaType);
}

/** One list, in which steps name each other by their new places. */
function joinSteps(builds: readonly (readonly ExportedStep[])[]): ExportedStep[] {
  const joined: ExportedStep[] = [];
  for (const steps of builds) {
    const offset = joined.length;
    for (const step of steps) joined.push({ ...step, inputs: step.inputs.map((input) => input + offset) });
  }
  return joined;
}
