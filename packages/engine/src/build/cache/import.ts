import { collectBytes, SlipwayError } from '@slipway/base';
import {
  type BuildSession,
  CACHE_CONFIG_TYPE,
  type CacheImport,
  DIFF_ID_ANNOTATION,
  readCacheConfig,
  readInlineCache,
} from '@slipway/build';
import {
  computeDigest,
  type Descriptor,
  type Digest,
  formatFamiliar,
  type Manifest,
  parseImageConfig,
  parseManifestOrIndex,
  type Reference,
} from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { ImageService } from '../../images/index.ts';
import type { TransferService } from '../../transfer/index.ts';
import type { CacheSource } from './entries.ts';

/** Where an image's configuration has its cache. */
export const INLINE_CACHE_FIELD = 'moby.buildkit.cache.v0';

/** Blobs that are somewhere else, by digest. */
export interface ForeignBlobs {
  readonly openBlob: CacheImport['openBlob'];
}

export interface ImportContext {
  readonly store: Store;
  readonly images: ImageService;
  readonly transfer: TransferService;
}

const CONFIG_MAX_BYTES = 32 << 20;
const DOCUMENT_MAX_BYTES = 4 << 20;

/**
 * Reads what a cache says of its steps; its layers stay where they are. One name may stand for several caches.
 * @param clientFolder the blobs in a folder of the client, by its path
 * @throws NotFound when there is none; InvalidArgument for what is no cache
 */
export async function importCache(
  context: ImportContext,
  source: CacheSource,
  {
    session,
    clientFolder,
    signal,
  }: {
    readonly session: Pick<BuildSession, 'credentials'>;
    readonly clientFolder: ((folder: string) => ForeignBlobs) | undefined;
    readonly signal: AbortSignal;
  },
): Promise<readonly CacheImport[]> {
  if (source.type === 'registry') {
    return (
      ownImage(context, source.reference) ?? (await fromRegistry(context, source.reference, session, signal))
    );
  }
  if (clientFolder === undefined) {
    throw new SlipwayError(
      'NotImplemented',
      'a cache of type=local needs a client with a session: use docker buildx build, or type=registry',
    );
  }
  const blobs = clientFolder(source.folder);
  const read = async (digest: Digest, size: number) => {
    const opened = blobs.openBlob({ mediaType: '', digest, size }, { signal });
    return verified(await collectBytes(opened, DOCUMENT_MAX_BYTES), digest);
  };
  // How large it is, the client does not say here.
  const top = await read(source.digest as Digest, DOCUMENT_MAX_BYTES);
  return await readCaches(top, undefined, {
    ...blobs,
    document: ({ digest, size }) => read(digest, size),
    signal,
  });
}

/** An image of this engine comes before one in a registry, as docker has it. */
function ownImage({ images, store }: ImportContext, reference: Reference): CacheImport[] | undefined {
  const image = images.find(formatFamiliar(reference));
  const text = image?.document[INLINE_CACHE_FIELD];
  if (image === undefined || typeof text !== 'string') return undefined;
  const layers = withDiffIds(image.layers, image.diffIds);
  return [
    readInlineCache(text, layers, ({ digest }, { offset = 0 }) => store.content.open(digest, { offset })),
  ];
}

async function fromRegistry(
  { transfer }: ImportContext,
  reference: Reference,
  session: Pick<BuildSession, 'credentials'>,
  signal: AbortSignal,
): Promise<readonly CacheImport[]> {
  const repository = await transfer.repository(reference, await session.credentials(reference.domain));
  const top = await repository.getManifest(reference.digest ?? (reference.tag as string), { signal });
  return await readCaches(top.bytes, top.descriptor.mediaType, {
    openBlob: (blob, options) => repository.openBlob(blob, options),
    document: async ({ digest }) => (await repository.getManifest(digest, { signal })).bytes,
    signal,
  });
}

interface CacheReader extends ForeignBlobs {
  /** A manifest or an index. */
  readonly document: (descriptor: Descriptor) => Promise<Buffer>;
  readonly signal: AbortSignal;
}

/** BuildKit writes caches as manifests, or as indexes that name layers; an image for several platforms has one for each. */
async function readCaches(
  bytes: Buffer,
  mediaType: string | undefined,
  reader: CacheReader,
): Promise<readonly CacheImport[]> {
  const document = parseManifestOrIndex(bytes, mediaType);
  if (document.kind === 'manifest') {
    const { config, layers } = document.manifest;
    if (config.mediaType !== CACHE_CONFIG_TYPE) return await readInline(document.manifest, reader);
    return [readCacheConfig(await readBlob(config, reader), layers, reader.openBlob)];
  }
  const { manifests } = document.index;
  const config = manifests.find((entry) => entry.mediaType === CACHE_CONFIG_TYPE);
  if (config !== undefined)
    return [readCacheConfig(await readBlob(config, reader), manifests, reader.openBlob)];
  const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
  const found = await Promise.all(
    images.map(async (image) => {
      const child = parseManifestOrIndex(await reader.document(image), image.mediaType);
      return child.kind === 'manifest' ? await readInline(child.manifest, reader) : [];
    }),
  );
  return found.flat();
}

async function readInline(
  { config, layers }: Manifest,
  reader: CacheReader,
): Promise<readonly CacheImport[]> {
  const image = parseImageConfig(await readBlob(config, reader));
  const text = image[INLINE_CACHE_FIELD];
  if (typeof text !== 'string' || image.rootfs.diff_ids.length !== layers.length) return [];
  return [readInlineCache(text, withDiffIds(layers, image.rootfs.diff_ids), reader.openBlob)];
}

const withDiffIds = (layers: readonly Descriptor[], diffIds: readonly string[]): Descriptor[] =>
  layers.map((layer, index) => ({
    ...layer,
    annotations: { [DIFF_ID_ANNOTATION]: diffIds[index] as string },
  }));

async function readBlob(descriptor: Descriptor, { openBlob, signal }: CacheReader): Promise<Buffer> {
  return verified(await collectBytes(openBlob(descriptor, { signal }), CONFIG_MAX_BYTES), descriptor.digest);
}

function verified(bytes: Buffer, digest: Digest): Buffer {
  const actual = computeDigest(bytes);
  if (actual === digest) return bytes;
  throw new SlipwayError(
    'DataLoss',
    `the build cache's document is ${actual}, not ${digest} as it was named`,
  );
}
