import { mapConcurrent, SlipwayError } from '@slipway/base';
import type { Credentials, Repository } from '@slipway/distribution/client';
import {
  type Descriptor,
  type Digest,
  formatFamiliar,
  formatReference,
  MediaType,
  parseManifest,
  type Reference,
  repositoryName,
  withDefaultTag,
} from '@slipway/oci';
import type { Lease } from '@slipway/store';
import { type Image, type Report, readImages } from '../images/index.ts';
import { publish, type TransferContext } from './context.ts';
import { pushError } from './docker-words.ts';
import { pushImages } from './push-images.ts';
import { mountCandidates, pathsKnown, pushLayer } from './push-layer.ts';

export interface PushRequest {
  /** A repository; with a tag that image, without one every tag of it that is here. */
  readonly reference: Reference;
  readonly credentials?: Credentials | undefined;
}

const LAYERS_AT_ONCE = 5;

/**
 * Sends an image, or all tags of a repository, and tells how far it is as docker does.
 * @throws NotFound before anything was reported when there is no such image; what the registry refuses
 */
export async function push(
  context: TransferContext,
  { reference, credentials }: PushRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  if (reference.digest !== undefined)
    throw new SlipwayError('InvalidArgument', 'cannot push a digest reference');
  const pushed = imagesToPush(context, reference);
  report({ status: `The push refers to repository [${repositoryName(reference)}]` });
  try {
    const client = await context.client();
    const repository = client.repository(reference, credentials);
    for (const { image, tag } of pushed) {
      const named = { domain: reference.domain, path: reference.path, tag };
      const index = context.images.indexOf(formatReference(named));
      if (index !== undefined) {
        await pushIndexed(context, { reference: named, credentials, index, own: image }, report, signal);
        continue;
      }
      const digest = await pushImage(context, { image, tag, repository }, report, signal);
      const pinned = { domain: reference.domain, path: reference.path, digest };
      publish(context, 'push', context.images.addReferences(image.id, [pinned]), named);
    }
  } catch (error) {
    throw pushError(error, reference);
  }
}

function imagesToPush({ images }: TransferContext, reference: Reference): { image: Image; tag: string }[] {
  if (reference.tag !== undefined) {
    const image = images.find(formatFamiliar(reference));
    if (image !== undefined) return [{ image, tag: reference.tag }];
    throw new SlipwayError(
      'NotFound',
      `An image does not exist locally with the tag: ${formatFamiliar({ ...reference, tag: undefined })}`,
    );
  }
  const found = images.tagsOf(reference);
  if (found.length > 0) return found;
  throw new SlipwayError(
    'NotFound',
    `An image does not exist locally with the tag: ${formatFamiliar(withDefaultTag(reference)).replace(/:latest$/, '')}`,
  );
}

/** All images that a name stands for, with what is said about them. */
async function pushIndexed(
  context: TransferContext,
  {
    reference,
    credentials,
    index,
    own,
  }: { reference: Reference; credentials: Credentials | undefined; index: Descriptor; own: Image },
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  await using lease = context.store.leases.acquire({ resources: { blobs: [index.digest] } });
  const images = await readImages(context.store, index);
  const { digest, size } = await pushImages(context, { reference, credentials, images, own, lease }, signal);
  reportDone(report, { tag: reference.tag as string, digest, size });
}

function reportDone(
  report: Report,
  { tag, digest, size }: { tag: string; digest: Digest; size: number },
): void {
  report({ status: `${tag}: digest: ${digest} size: ${size}` });
  report({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
}

interface OnePush {
  readonly image: Image;
  readonly tag: string;
  readonly repository: Repository;
}

async function pushImage(
  context: TransferContext,
  { image, tag, repository }: OnePush,
  report: Report,
  signal: AbortSignal,
): Promise<Digest> {
  const { store, records, clock } = context;
  await using lease = store.leases.acquire({
    resources: { blobs: [image.manifest.digest, image.id, ...image.layers.map(({ digest }) => digest)] },
  });
  const layers = await pushLayers(context, { image, repository, lease }, report, signal);
  const manifest = await manifestFor(context, image, layers);
  await repository.pushBlob(
    {
      descriptor: manifest.config,
      open: (offset) => store.content.open(manifest.config.digest, { offset }),
      mountFrom: mountCandidates(
        context,
        repository.name,
        manifest.config.digest,
        pathsKnown(image, repository.name.domain),
      ),
    },
    { signal },
  );
  const { digest } = await repository.pushManifest(tag, manifest, { signal });
  records.addPlaces(
    [...layers, manifest.config].map((blob) => blob.digest),
    repository.name,
    clock.nowMs(),
  );
  reportDone(report, { tag, digest, size: manifest.bytes.byteLength });
  return digest;
}

/** Every layer, in the form that it has in the repository now. A failure stops the others. */
async function pushLayers(
  context: TransferContext,
  { image, repository, lease }: { image: Image; repository: Repository; lease: Lease },
  report: Report,
  signal: AbortSignal,
): Promise<Descriptor[]> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  let failure: { readonly error: unknown } | undefined;
  const gzipType =
    image.manifest.mediaType === MediaType.dockerManifest
      ? MediaType.dockerLayerGzip
      : MediaType.ociLayerGzip;
  const one = async (layer: Descriptor, index: number): Promise<Descriptor> => {
    const id = image.diffIds[index] ?? layer.digest;
    try {
      const known = pathsKnown(image, repository.name.domain);
      return await pushLayer(context, { gzipType, known, layer, id, repository, lease }, report, both);
    } catch (error) {
      failure ??= { error };
      failed.abort(error);
      return layer;
    }
  };
  const ids = image.layers.map(({ digest }, index) => (image.diffIds[index] ?? digest).slice(7, 19));
  for (const id of ids) report({ status: 'Preparing', progressDetail: {}, id });
  for (const id of ids.slice(LAYERS_AT_ONCE)) report({ status: 'Waiting', progressDetail: {}, id });
  const layers = await mapConcurrent(image.layers, LAYERS_AT_ONCE, one);
  if (failure !== undefined) throw failure.error;
  return layers;
}

/** The image's own manifest where its layers went as they are; else one that names them as they went. */
async function manifestFor(
  { store }: TransferContext,
  image: Image,
  layers: readonly Descriptor[],
): Promise<{ bytes: Buffer; mediaType: string; config: Descriptor }> {
  const bytes = await store.content.read(image.manifest.digest);
  const manifest = parseManifest(bytes);
  const { mediaType } = image.manifest;
  const isSame =
    manifest.layers.length === layers.length &&
    layers.every(({ digest }, index) => digest === manifest.layers[index]?.digest);
  if (isSame) return { bytes, mediaType, config: manifest.config };
  const changed = { ...manifest, mediaType, layers };
  return { bytes: Buffer.from(JSON.stringify(changed)), mediaType, config: manifest.config };
}
