import { mapConcurrent } from '@slipway/base';
import {
  type BuiltLayer,
  CACHE_CONFIG_TYPE,
  type CacheImport,
  type ExportedStep,
  writeCacheConfig,
} from '@slipway/build';
import { type Descriptor, type Digest, MediaType } from '@slipway/oci';

/** Takes a cache, wherever it is to be. */
export interface CacheSink {
  /** @param from who has the layer when it is not here @returns the layer as it is there */
  layer(layer: Descriptor, from: CacheImport | undefined): Promise<Descriptor>;
  blob(bytes: Buffer, mediaType: string): Promise<Descriptor>;
  /** The document that names the others; the last. */
  top(bytes: Buffer, mediaType: string): Promise<Descriptor>;
}

const LAYERS_AT_ONCE = 4;

/** Writes what several builds (platforms) came to as one cache. @returns what names it */
export async function exportCache(
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
