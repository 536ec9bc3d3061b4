import {
  type ChainId,
  computeChainIds,
  type Descriptor,
  type DiffId,
  type Digest,
  digestSchema,
  isDigest,
  parseJson,
} from '@slipway/oci';
import { z } from 'zod';
import type { BuiltLayer, CacheImport, ExportedStep, PortableResult } from '../solver.ts';

/**
 * A build cache as a document, in BuildKit's form: layers that stand on each other, and records that name one by a key. What
 * only we have to say is in `slipway` of a record, which other readers pass over, as we pass over records without it: our keys
 * are not BuildKit's, nor the other way round.
 * @see https://github.com/moby/buildkit/blob/master/cache/remotecache/v1/doc.go
 */
export const CACHE_CONFIG_TYPE = 'application/vnd.buildkit.cacheconfig.v0';

/** Where a layer's descriptor has its diffID. */
export const DIFF_ID_ANNOTATION = 'containerd.io/uncompressed';

/** Of our keys: other keys than these mean nothing to us. */
const KEY_VERSION = 1;

/** Go leaves a number out that is 0. */
const layerSchema = z.looseObject({ blob: digestSchema, parent: z.number().int().default(0) });

const recordSchema = z.looseObject({
  digest: z.string(),
  results: z
    .array(z.looseObject({ layer: z.number().int().default(0), createdAt: z.string().optional() }))
    .nullish(),
  slipway: z
    .looseObject({
      version: z.literal(KEY_VERSION),
      sizeBytes: z.number().optional(),
      description: z.string().optional(),
    })
    .optional()
    .catch(undefined),
});

const recordsSchema = z.array(recordSchema).nullish();
const configSchema = z.looseObject({ layers: z.array(layerSchema).nullish(), records: recordsSchema });

type Layer = z.infer<typeof layerSchema>;
type Record_ = z.infer<typeof recordSchema>;

/** A cache's document, and the layers that it names, those below first. */
export interface CacheDocument {
  readonly bytes: Buffer;
  readonly layers: readonly Descriptor[];
}

/** @param blobOf a layer as the readers find it */
export function writeCacheConfig(
  steps: readonly ExportedStep[],
  blobOf: (layer: BuiltLayer) => Descriptor,
): CacheDocument {
  const places = new Map<ChainId, number>();
  const layers: Layer[] = [];
  const descriptors = new Map<Digest, Descriptor>();
  for (const step of steps) {
    let parent = -1;
    for (const layer of step.layers) {
      const known = places.get(layer.chainId);
      if (known !== undefined) {
        parent = known;
        continue;
      }
      const { mediaType, digest, size } = blobOf(layer);
      descriptors.set(digest, {
        mediaType,
        digest,
        size,
        annotations: { [DIFF_ID_ANNOTATION]: layer.diffId },
      });
      parent = layers.push({ blob: digest, parent }) - 1;
      places.set(layer.chainId, parent);
    }
  }
  const placeOf = (layer: BuiltLayer) => places.get(layer.chainId) ?? -1;
  const document = { layers, records: recordsOf(steps, placeOf) };
  return { bytes: Buffer.from(JSON.stringify(document)), layers: [...descriptors.values()] };
}

/** What an image's configuration says of the steps that made it (`moby.buildkit.cache.v0`); its layers are the image's own. */
export const writeInlineCache = (steps: readonly ExportedStep[], layers: readonly BuiltLayer[]): string =>
  Buffer.from(
    JSON.stringify(recordsOf(steps, ({ chainId }) => layers.findIndex((layer) => layer.chainId === chainId))),
  ).toString('base64');

function recordsOf(steps: readonly ExportedStep[], placeOf: (layer: BuiltLayer) => number): object[] {
  const records: object[] = [];
  const firstOf = new Map<number, number>();
  for (const [at, { keys, layers, inputs, description, sizeBytes, createdAtMs }] of steps.entries()) {
    const top = layers.at(-1);
    // A step that came to nothing at all is sooner made than fetched.
    if (top === undefined) continue;
    const links = inputs.flatMap((input) => {
      const link = firstOf.get(input);
      return link === undefined ? [] : [[{ link }]];
    });
    firstOf.set(at, records.length);
    for (const digest of keys) {
      records.push({
        digest,
        ...(links.length === 0 ? {} : { inputs: links }),
        results: [{ layer: placeOf(top), createdAt: new Date(createdAtMs).toISOString() }],
        slipway: { version: KEY_VERSION, sizeBytes, description },
      });
    }
  }
  return records;
}

/** @param layers the descriptors of the document's layers, with their diffIDs @throws InvalidArgument */
export function readCacheConfig(
  bytes: Uint8Array,
  layers: readonly Descriptor[],
  openBlob: CacheImport['openBlob'],
): CacheImport {
  const config = parseJson(bytes, configSchema, 'build cache');
  return new CacheConfig(config.layers ?? [], config.records ?? [], layers, openBlob);
}

/** Of an image with an inline cache. @throws InvalidArgument */
export function readInlineCache(
  text: string,
  layers: readonly Descriptor[],
  openBlob: CacheImport['openBlob'],
): CacheImport {
  const records = parseJson(Buffer.from(text, 'base64'), recordsSchema, 'inline build cache') ?? [];
  const chain = layers.map(({ digest }, index) => ({ blob: digest, parent: index - 1 }));
  return new CacheConfig(chain, records, layers, openBlob);
}

class CacheConfig implements CacheImport {
  readonly openBlob: CacheImport['openBlob'];
  readonly #layers: readonly Layer[];
  readonly #records: ReadonlyMap<string, Record_>;
  readonly #blobs: ReadonlyMap<Digest, Descriptor>;

  constructor(
    layers: readonly Layer[],
    records: readonly Record_[],
    blobs: readonly Descriptor[],
    openBlob: CacheImport['openBlob'],
  ) {
    this.openBlob = openBlob;
    this.#layers = layers;
    this.#blobs = new Map(blobs.map((blob) => [blob.digest, blob]));
    this.#records = new Map(
      records.flatMap((record) => (record.slipway === undefined ? [] : [[record.digest, record]])),
    );
  }

  find(key: string): PortableResult | undefined {
    const record = this.#records.get(key);
    const [result] = record?.results ?? [];
    if (record === undefined || result === undefined) return undefined;
    const layers = this.#chain(result.layer);
    if (layers === undefined) return undefined;
    const { sizeBytes = 0, description = '' } = record.slipway ?? {};
    const createdAtMs = Date.parse(result.createdAt ?? '') || 0;
    return { layers, description, sizeBytes, createdAtMs };
  }

  /** Bottom to top; undefined where a part of it is not told of. */
  #chain(top: number): BuiltLayer[] | undefined {
    const found: { diffId: DiffId; blob: Descriptor }[] = [];
    for (let at = top; at !== -1; ) {
      const layer = this.#layers[at];
      const blob = layer === undefined ? undefined : this.#blobs.get(layer.blob);
      const diffId = blob?.annotations?.[DIFF_ID_ANNOTATION];
      // Longer than there are layers: it goes round.
      if (layer === undefined || blob === undefined || found.length > this.#layers.length) return undefined;
      if (diffId === undefined || !isDigest(diffId)) return undefined;
      const { mediaType, digest, size } = blob;
      found.unshift({ diffId: diffId as DiffId, blob: { mediaType, digest, size } });
      at = layer.parent;
    }
    const chainIds = computeChainIds(found.map(({ diffId }) => diffId));
    return found.map((layer, index) => ({
      ...layer,
      chainId: chainIds[index] as ChainId,
      madeBy: undefined,
    }));
  }
}
