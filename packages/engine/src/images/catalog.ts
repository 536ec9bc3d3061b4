import { SlipwayError } from '@slipway/base';
import {
  computeChainIds,
  type Descriptor,
  type Digest,
  formatFamiliar,
  formatReference,
  type ImageId,
  parseReference,
  type Reference,
  repositoryName,
  withDefaultTag,
} from '@slipway/oci';
import { type Image, type ImageRecord, type ImageRoots, toDefaults } from './image.ts';
import type { ImageRecords } from './records.ts';

/** Short ids shorter than this are taken for names only, as a person never means them. */
const ID_PREFIX = /^(?:sha256:)?([a-f0-9]{1,64})$/;

/**
 * Every image and name, decoded, in memory, and written through to the records: `docker run` resolves its image
 * without a read.
 */
export class ImageCatalog {
  readonly #records: ImageRecords;
  readonly #images = new Map<ImageId, Image>();
  /** Full names, with a tag or a digest. */
  readonly #references = new Map<string, ImageId>();
  /** Of the names that stand for more than their image: for several platforms, or with statements about it. */
  readonly #indexes = new Map<string, Descriptor>();

  constructor(records: ImageRecords) {
    this.#records = records;
    for (const { name, imageId } of records.references()) this.#references.set(name, imageId);
    for (const { name, descriptor } of records.indexes()) this.#indexes.set(name, descriptor);
    for (const record of records.images()) this.#put(record);
  }

  /** By id, unambiguous id prefix, name, name:tag or name@digest. */
  find(text: string): Image | undefined {
    const digits = ID_PREFIX.exec(text)?.[1];
    if (digits?.length === 64) return this.#images.get(`sha256:${digits}` as ImageId);
    return this.#findByName(text) ?? (digits === undefined ? undefined : this.#findByPrefix(digits));
  }

  /** @throws NotFound in docker's words; InvalidArgument for what can be no name */
  get(text: string): Image {
    const image = this.find(text);
    if (image !== undefined) return image;
    if (!ID_PREFIX.test(text)) parseReference(text);
    throw new SlipwayError('NotFound', `No such image: ${nameForError(text)}`);
  }

  findById(id: ImageId): Image | undefined {
    return this.#images.get(id);
  }

  findByReference(reference: Reference): Image | undefined {
    const id = this.#references.get(formatReference(withDefaultTag(reference)));
    return id === undefined ? undefined : this.#images.get(id);
  }

  /** Whether an image has a layer whose blob is this one, and so its snapshot. */
  hasLayer(digest: Digest): boolean {
    return [...this.#images.values()].some(({ layers }) => layers.some((layer) => layer.digest === digest));
  }

  /** Newest first, as docker lists them. */
  list(): Image[] {
    return [...this.#images.values()].sort((a, b) => createdAtMs(b) - createdAtMs(a));
  }

  /** Every reference of the image, sorted by its text. */
  referencesOf(id: ImageId): Reference[] {
    return [...this.#references]
      .filter(([, target]) => target === id)
      .map(([name]) => name)
      .sort()
      .map(parseReference);
  }

  /** The references of one repository, whatever image they name. */
  referencesIn(repository: Reference): { reference: Reference; image: Image }[] {
    const wanted = repositoryName(repository);
    const found: { reference: Reference; image: Image }[] = [];
    for (const [name, id] of [...this.#references].sort()) {
      const reference = parseReference(name);
      const image = this.#images.get(id);
      if (image !== undefined && repositoryName(reference) === wanted) found.push({ reference, image });
    }
    return found;
  }

  /** The index that a name stands for; undefined for one that stands for its image alone, and for an id. */
  indexOf(text: string): Descriptor | undefined {
    const reference = tryParse(text);
    return reference === undefined
      ? undefined
      : this.#indexes.get(formatReference(withDefaultTag(reference)));
  }

  /** Records the image, and its names with it in one transaction. One that is there keeps its record. */
  add(record: ImageRecord, references: readonly Reference[], nowMs: number, index?: Descriptor): Image {
    this.#records.transaction(() => {
      if (!this.#images.has(record.id)) this.#records.insert(record);
      for (const reference of references) {
        this.#records.putReference(formatReference(reference), record.id, nowMs, index);
      }
    });
    if (!this.#images.has(record.id)) this.#put(record);
    for (const reference of references) this.#point(reference, record.id, nowMs, index);
    return this.#images.get(record.id) as Image;
  }

  tag(reference: Reference, id: ImageId, nowMs: number, index?: Descriptor): void {
    this.#records.putReference(formatReference(reference), id, nowMs, index);
    this.#point(reference, id, nowMs, index);
  }

  untag(reference: Reference): void {
    const name = formatReference(reference);
    const id = this.#references.get(name);
    if (id === undefined) return;
    this.#records.deleteReference(name);
    this.#references.delete(name);
    this.#indexes.delete(name);
    this.#refresh(id);
  }

  /** The image and its names. */
  delete(id: ImageId): void {
    this.#records.delete(id);
    this.#images.delete(id);
    for (const [name, target] of this.#references) {
      if (target !== id) continue;
      this.#references.delete(name);
      this.#indexes.delete(name);
    }
  }

  /** What must be kept for the images there are. */
  roots(): ImageRoots {
    const images = [...this.#images.values()];
    return {
      blobs: [
        ...images.flatMap((image) => [
          image.manifest.digest,
          image.id,
          ...image.layers.map((layer) => layer.digest),
        ]),
        ...[...this.#indexes.values()].map(({ digest }) => digest),
      ],
      snapshots: images.flatMap((image) => image.chainIds),
    };
  }

  #findByName(text: string): Image | undefined {
    const reference = tryParse(text);
    if (reference === undefined) return undefined;
    const image = this.findByReference(reference);
    if (image !== undefined || reference.digest === undefined) return image;
    // name:tag@digest, and name@ID, which docker takes as well.
    const byDigest = this.#references.get(`${repositoryName(reference)}@${reference.digest}`);
    if (byDigest !== undefined) return this.#images.get(byDigest);
    const byId = this.#images.get(reference.digest as unknown as ImageId);
    const isNamedSo = byId?.repoTags.some(
      (tag) => repositoryName(parseReference(tag)) === repositoryName(reference),
    );
    return isNamedSo ? byId : undefined;
  }

  #findByPrefix(digits: string): Image | undefined {
    const prefix = `sha256:${digits}`;
    let found: Image | undefined;
    for (const [id, image] of this.#images) {
      if (!id.startsWith(prefix)) continue;
      if (found !== undefined) return undefined;
      found = image;
    }
    return found;
  }

  #point(reference: Reference, id: ImageId, nowMs: number, index: Descriptor | undefined): void {
    const name = formatReference(reference);
    if (index === undefined) this.#indexes.delete(name);
    else this.#indexes.set(name, index);
    const before = this.#references.get(name);
    this.#references.set(name, id);
    if (before !== undefined && before !== id) this.#refresh(before);
    const image = this.#images.get(id);
    if (image !== undefined) this.#put({ ...image, lastTaggedAtMs: nowMs });
  }

  #refresh(id: ImageId): void {
    const image = this.#images.get(id);
    if (image !== undefined) this.#put(image);
  }

  #put(record: ImageRecord): void {
    const { document } = record;
    const references = this.referencesOf(record.id);
    const diffIds = document.rootfs.diff_ids;
    const chainIds = computeChainIds(diffIds);
    this.#images.set(record.id, {
      ...record,
      diffIds,
      chainIds,
      chainId: chainIds.at(-1),
      config: toDefaults(document.config),
      architecture: document.architecture,
      variant: document.variant,
      os: document.os,
      createdAt: document.created,
      repoTags: references.filter(({ digest }) => digest === undefined).map(formatFamiliar),
      repoDigests: references.filter(({ digest }) => digest !== undefined).map(formatFamiliar),
    });
  }
}

/** When the image was made, in milliseconds since the epoch; 0 when it does not say. */
export function createdAtMs(image: ImageRecord): number {
  const ms = Date.parse(image.document.created ?? '');
  return Number.isNaN(ms) || ms < 0 ? 0 : ms;
}

function tryParse(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** docker names the tag it looked for. */
function nameForError(text: string): string {
  const reference = tryParse(text);
  return reference === undefined ? text : formatFamiliar(withDefaultTag(reference));
}
