import { shortId } from '@slipway/base';
import type { PushableBlob, Repository } from '@slipway/distribution/client';
import { type Descriptor, type Digest, familiarName, layerCompression, parseReference } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import { byteProgress, type Image, type Report } from '../images/index.ts';
import { compressLayer } from './compress-layer.ts';
import type { TransferContext } from './context.ts';
import type { Twin } from './records.ts';

export interface OneLayer {
  /** The media type of its gzip'd form. */
  readonly gzipType: string;
  /** Paths of repositories of the same registry that may have it. */
  readonly known: readonly string[];
  readonly layer: Descriptor;
  /** What people are told of it: its diffID. */
  readonly id: Digest;
  readonly repository: Repository;
  readonly lease: Lease;
}

/**
 * Brings one layer into the repository: plain ones gzip'd, unless the registry is on the same disk as this engine.
 * @returns the layer as it is there
 */
export async function pushLayer(
  context: TransferContext,
  push: OneLayer,
  report: Report,
  signal: AbortSignal,
): Promise<Descriptor> {
  signal.throwIfAborted();
  const { layer, repository } = push;
  const isPlain = layerCompression(layer.mediaType) === 'none';
  if (isPlain && !context.isOwnRegistry(repository.name.domain)) {
    return await pushCompressed(context, push, report, signal);
  }
  const open = (offset: number) => context.store.content.open(layer.digest, { offset });
  await send(context, push, { descriptor: layer, open }, report, signal);
  return layer;
}

/**
 * The gzip'd form. Where an earlier push made it, the registry is asked for it first, and it is made again only when the
 * registry wants its bytes.
 */
async function pushCompressed(
  context: TransferContext,
  push: OneLayer,
  report: Report,
  signal: AbortSignal,
): Promise<Descriptor> {
  const { gzipType, layer, id, lease } = push;
  const { content } = context.store;
  const descriptorOf = ({ digest, sizeBytes }: Twin) => ({
    ...layer,
    mediaType: gzipType,
    digest,
    size: sizeBytes,
  });
  let making: Promise<Twin> | undefined;
  const make = () => {
    const onProgress = byteProgress(report, context.clock, {
      id: shortId(id),
      status: 'Compressing',
      totalBytes: layer.size,
    });
    making ??= compressLayer(context, layer.digest, { lease, signal, onProgress });
    return making;
  };
  const earlier = context.records.findTwin(layer.digest);
  if (earlier !== undefined) {
    const open = async function* (offset: number) {
      const { digest } = await make();
      if (digest !== earlier.digest) throw new Error('zlib makes other bytes than it did');
      yield* content.open(digest, { offset });
    };
    try {
      await send(context, push, { descriptor: descriptorOf(earlier), open }, report, signal);
      return descriptorOf(earlier);
    } catch (error) {
      const isOther = making !== undefined && (await making).digest !== earlier.digest;
      if (!isOther) throw error;
    }
  }
  const made = descriptorOf(await make());
  const open = (offset: number) => content.open(made.digest, { offset });
  await send(context, push, { descriptor: made, open }, report, signal);
  return made;
}

async function send(
  context: TransferContext,
  { known, id, repository }: OneLayer,
  blob: Pick<PushableBlob, 'open'> & { readonly descriptor: Descriptor },
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const { descriptor } = blob;
  const mountFrom = mountCandidates(context, repository.name, descriptor.digest, known);
  const onProgress = byteProgress(report, context.clock, {
    id: shortId(id),
    status: 'Pushing',
    totalBytes: descriptor.size,
  });
  const outcome = await repository.pushBlob({ ...blob, mountFrom, onProgress }, { signal });
  const status = {
    exists: 'Layer already exists',
    mounted: `Mounted from ${mountFrom[0] === ENGINE_PATH ? 'this engine' : familiarName({ ...repository.name, path: mountFrom[0] as string })}`,
    pushed: 'Pushed',
  }[outcome];
  report({ status, progressDetail: {}, id: shortId(id) });
}

/**
 * Repositories of the same registry that may have the blob: those it was seen in, and those the image is known from. The
 * engine's own registry finds what the engine has, whatever repository is named.
 */
export function mountCandidates(
  { records, isOwnRegistry }: TransferContext,
  { domain, path }: Repository['name'],
  digest: Digest,
  known: readonly string[],
): string[] {
  const candidates = new Set([...records.placesOf(digest, domain), ...known]);
  candidates.delete(path);
  if (candidates.size === 0 && isOwnRegistry(domain)) return [ENGINE_PATH];
  return [...candidates].slice(0, MOUNTS_TRIED_MAX);
}

/** The repositories of a registry that an image is known from. */
export const pathsKnown = (image: Image, domain: string): string[] =>
  image.repoDigests
    .map(parseReference)
    .filter((reference) => reference.domain === domain)
    .map((reference) => reference.path);

/** Stands for the engine's own images where its registry is asked to mount one of their blobs. */
const ENGINE_PATH = 'slipway/images';
/** Each costs a round trip where it fails. */
const MOUNTS_TRIED_MAX = 3;
