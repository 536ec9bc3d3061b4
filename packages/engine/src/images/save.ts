import { createHash } from 'node:crypto';
import { SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  type Digest,
  digestHex,
  familiarName,
  formatFamiliar,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@slipway/oci';
import { type WritableItem, writeTar } from '@slipway/store';
import { blobPath } from './archive-layout.ts';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';

/** An image and the names it is saved under: none when it was called by its id. */
interface SavedImage {
  readonly image: Image;
  readonly references: Reference[];
}

/**
 * The images as one archive that is a docker-archive and an OCI image layout at once, as docker 25 and newer write it;
 * what images share is in it once. The same images make the same bytes.
 * @throws NotFound before the first byte
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export function saveImages(context: ImageContext, names: readonly string[]): AsyncIterable<Uint8Array> {
  if (names.length === 0) throw new SlipwayError('InvalidArgument', 'no image to save: name one or more');
  const images = selectImages(context, names);
  return archive(context, images);
}

function selectImages(context: ImageContext, names: readonly string[]): SavedImage[] {
  const selected = new Map<string, SavedImage>();
  const add = (image: Image, reference?: Reference) => {
    const saved = selected.get(image.id) ?? { image, references: [] };
    selected.set(image.id, saved);
    const isNew = !saved.references.some(
      (other) => reference !== undefined && formatReference(other) === formatReference(reference),
    );
    if (reference !== undefined && isNew) saved.references.push(reference);
  };
  for (const name of names) {
    const tagged = allTagsOf(context, name);
    for (const { image, reference } of tagged) add(image, reference);
    if (tagged.length > 0) continue;
    const image = context.catalog.get(name);
    const isName = image.repoTags.some((tag) => tag === familiarTag(name));
    add(image, isName ? withDefaultTag(parseReference(name)) : undefined);
  }
  return [...selected.values()];
}

/** A name without a tag is the whole repository. */
function allTagsOf(context: ImageContext, name: string): { image: Image; reference: Reference }[] {
  let reference: Reference;
  try {
    reference = parseReference(name);
  } catch {
    return [];
  }
  if (reference.tag !== undefined || reference.digest !== undefined) return [];
  return context.catalog.referencesIn(reference).filter((found) => found.reference.digest === undefined);
}

function familiarTag(name: string): string | undefined {
  try {
    return formatFamiliar(withDefaultTag(parseReference(name)));
  } catch {
    return undefined;
  }
}

async function* archive(context: ImageContext, images: readonly SavedImage[]): AsyncGenerator<Uint8Array> {
  const digests = digestsOf(images);
  // So that a removal meanwhile does not break the archive off.
  await using _lease = context.store.leases.acquire({ resources: { blobs: digests } });
  yield* writeTar(members(context, images, digests));
  for (const { image } of images) publish(context, 'save', image.id, image.id);
}

async function* members(
  { store }: ImageContext,
  images: readonly SavedImage[],
  digests: readonly Digest[],
): AsyncGenerator<WritableItem> {
  yield { entry: { name: 'blobs/', type: 'directory' } };
  yield { entry: { name: 'blobs/sha256/', type: 'directory' } };
  for (const digest of digests) {
    const { sizeBytes } = await store.content.info(digest);
    yield {
      entry: { name: blobPath({ digest }), sizeBytes },
      body: verified(store.content.open(digest), digest),
    };
  }
  yield document('index.json', ociIndex(images));
  yield document('manifest.json', dockerManifest(images));
  yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
  const repositories = legacyRepositories(images);
  if (Object.keys(repositories).length > 0) yield document('repositories', repositories);
}

/** The bytes, and an error instead of their end when they are not what the digest says: a damaged blob leaves no one whole. */
async function* verified(bytes: AsyncIterable<Uint8Array>, digest: Digest): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let held: Uint8Array | undefined;
  for await (const chunk of bytes) {
    if (held !== undefined) yield held;
    hash.update(chunk);
    held = chunk;
  }
  if (hash.digest('hex') !== digestHex(digest)) {
    throw new SlipwayError(
      'DataLoss',
      `blob ${digest} is damaged on disk: remove its images and load them again`,
    );
  }
  if (held !== undefined) yield held;
}

function document(name: string, value: unknown): WritableItem {
  const bytes = Buffer.from(JSON.stringify(value));
  return { entry: { name, sizeBytes: bytes.length }, body: [bytes] };
}

/** Every blob once, in the order of the digests. */
function digestsOf(images: readonly SavedImage[]): Digest[] {
  const digests = new Set<Digest>();
  for (const { image } of images) {
    for (const digest of [image.manifest.digest, image.id, ...image.layers.map((layer) => layer.digest)]) {
      digests.add(digest);
    }
  }
  return [...digests].sort();
}

function ociIndex(images: readonly SavedImage[]): unknown {
  const manifests = images.flatMap(({ image, references }): Descriptor[] => {
    if (references.length === 0) return [image.manifest];
    return references.map((reference) => ({
      ...image.manifest,
      annotations: {
        'io.containerd.image.name': formatReference(reference),
        'org.opencontainers.image.ref.name': reference.tag as string,
      },
    }));
  });
  return { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };
}

function dockerManifest(images: readonly SavedImage[]): unknown {
  return images.map(({ image, references }) => ({
    Config: blobPath({ digest: image.id }),
    RepoTags: references.length === 0 ? null : references.map(formatFamiliar),
    Layers: image.layers.map(blobPath),
  }));
}

/** For readers older than manifest.json, as docker still writes it. */
function legacyRepositories(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, references } of images) {
    const top = image.layers.at(-1)?.digest;
    if (top === undefined) continue;
    for (const reference of references) {
      const name = familiarName(reference);
      repositories[name] = { ...repositories[name], [reference.tag as string]: digestHex(top) };
    }
  }
  return repositories;
}
