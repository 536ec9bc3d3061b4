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
import { blobPath } from './archive-layout.ts';
import { type ImageContext, publish } from './context.ts';
import type { Image } from './image.ts';
import { USTAR_END, ustarHeader, ustarPadding } from './ustar.ts';

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
  const lease = context.store.leases.acquire({
    resources: { blobs: blobsOf(images).map(({ digest }) => digest) },
  });
  try {
    yield ustarHeader({ name: 'blobs/', type: 'directory', mode: 0o755, mtimeSeconds: 0 });
    yield ustarHeader({ name: 'blobs/sha256/', type: 'directory', mode: 0o755, mtimeSeconds: 0 });
    for (const descriptor of blobsOf(images)) {
      const { sizeBytes } = await context.store.content.info(descriptor.digest);
      yield ustarHeader({
        name: blobPath(descriptor),
        type: 'file',
        mode: 0o644,
        sizeBytes,
        mtimeSeconds: 0,
      });
      yield* context.store.content.open(descriptor.digest);
      yield ustarPadding(sizeBytes);
    }
    yield* document('index.json', ociIndex(images));
    yield* document('manifest.json', dockerManifest(images));
    yield* document('oci-layout', { imageLayoutVersion: '1.0.0' });
    const repositories = legacyRepositories(images);
    if (Object.keys(repositories).length > 0) yield* document('repositories', repositories);
    yield USTAR_END;
    for (const { image } of images) publish(context, 'save', image.id, image.id);
  } finally {
    await lease[Symbol.asyncDispose]();
  }
}

function* document(name: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield ustarHeader({ name, type: 'file', mode: 0o644, sizeBytes: bytes.length, mtimeSeconds: 0 });
  yield bytes;
  yield ustarPadding(bytes.length);
}

/** Every blob once, in the order of the digests. */
function blobsOf(images: readonly SavedImage[]): { readonly digest: Digest }[] {
  const digests = new Set<Digest>();
  for (const { image } of images) {
    for (const digest of [image.manifest.digest, image.id, ...image.layers.map((layer) => layer.digest)]) {
      digests.add(digest);
    }
  }
  return [...digests].sort().map((digest) => ({ digest }));
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
