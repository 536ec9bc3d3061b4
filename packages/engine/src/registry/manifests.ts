import { SlipwayError } from '@slipway/base';
import { isDigestReference, type NewManifest, type StoredManifest } from '@slipway/distribution/server';
import {
  type Descriptor,
  type Digest,
  isConfigType,
  normalizePlatform,
  type Platform,
  parseJson,
  platformSchema,
} from '@slipway/oci';
import { BytesCache } from './bytes-cache.ts';
import type { FoundManifest, ManifestRecord } from './content-records.ts';
import { getRepository, quotaExceeded, type RegistryContext, requireWritable, roomBytes } from './context.ts';
import { type ManifestDocument, readManifestDocument } from './document.ts';
import type { RepositoryRecord } from './records.ts';

const CACHE_BYTES = 8 << 20;
const CONFIG_MAX_BYTES = 4 << 20;
/** Pulls are written down together, so that a GET waits for no disk. */
const PULLS_WRITE_MS = 60_000;

/** The manifests of all repositories. */
export class Manifests {
  readonly #context: RegistryContext;
  readonly #bytes = new BytesCache(CACHE_BYTES);
  readonly #pulls = new Map<string, { repositoryId: number; digest: Digest; atMs: number }>();
  #writing: Disposable | undefined;

  constructor(context: RegistryContext) {
    this.#context = context;
  }

  /** By tag or digest. */
  find(repository: string, target: string): FoundManifest | undefined {
    const { contents } = this.#context;
    return isDigestReference(target)
      ? contents.findManifestByDigest(repository, target)
      : contents.findManifestByTag(repository, target);
  }

  /** @throws NotFound NAME_UNKNOWN, MANIFEST_UNKNOWN */
  get(repository: string, target: string): FoundManifest {
    const found = this.find(repository, target);
    if (found !== undefined) return found;
    getRepository(this.#context, repository);
    throw manifestUnknown(repository, target);
  }

  async read({ repositoryId, digest, content, mediaType }: FoundManifest): Promise<StoredManifest> {
    let bytes = this.#bytes.find(content);
    if (bytes === undefined) {
      bytes = await this.#context.store.content.read(content);
      this.#bytes.put(content, bytes);
    }
    this.#pulls.set(`${repositoryId} ${digest}`, {
      repositoryId,
      digest,
      atMs: this.#context.clock.nowMs(),
    });
    this.#writing ??= this.#context.clock.timer(PULLS_WRITE_MS, () => this.writePulls());
    return { digest, mediaType, bytes };
  }

  /** Writes down when manifests were pulled last. */
  writePulls(): void {
    this.#writing?.[Symbol.dispose]();
    this.#writing = undefined;
    if (this.#pulls.size === 0) return;
    const { contents } = this.#context;
    contents.relaxed(() => {
      for (const { repositoryId, digest, atMs } of this.#pulls.values()) {
        contents.setPulled(repositoryId, digest, atMs);
      }
    });
    this.#pulls.clear();
  }

  /**
   * Stores the manifest and points the tags at it, in one step. With `isCached` its parts may still be elsewhere, and tags
   * move as they do there.
   */
  async put(
    repository: RepositoryRecord,
    { bytes, digest, mediaType }: NewManifest,
    { tags, isCached = false }: { readonly tags: readonly string[]; readonly isCached?: boolean },
  ): Promise<ManifestDocument> {
    const { store, repositories, contents, clock } = this.#context;
    const document = readManifestDocument(bytes, mediaType);
    if (!isCached) this.#requireParts(repository, document);
    const platforms = await this.#platformsOf(repository, document);
    const { digest: content } = await store.content.write(bytes);
    // From here to the commit nothing else runs: collections see the blob in the store's commits or in our records.
    contents.transaction(() => {
      if (!isCached) {
        this.#requireParts(repository, document);
        this.#requireMutable(repository, tags, digest);
        const isNew = contents.findManifest(repository.id, digest) === undefined;
        if (isNew && bytes.byteLength > roomBytes(this.#context, repository)) {
          throw quotaExceeded(this.#context, repository);
        }
      }
      contents.putManifest(
        repository.id,
        {
          digest,
          content,
          mediaType,
          artifactType: document.artifactType,
          subject: document.subject,
          sizeBytes: bytes.byteLength,
          totalBytes: bytes.byteLength + this.#partsBytes(repository, document),
          pushedAtMs: clock.nowMs(),
          pulledAtMs: undefined,
          platforms,
          annotations: document.annotations,
        },
        document.parts.map((part) => part.digest),
      );
      for (const tag of tags) contents.putTag(repository.id, tag, digest);
      repositories.settle(repository);
    });
    this.#bytes.put(content, bytes);
    return document;
  }

  /** @throws NotFound */
  delete(name: string, digest: Digest): ManifestRecord {
    requireWritable(this.#context);
    const { contents } = this.#context;
    const { id } = getRepository(this.#context, name);
    const record = contents.findManifest(id, digest);
    if (record === undefined) throw manifestUnknown(name, digest);
    contents.deleteManifest(id, digest);
    return record;
  }

  /** What the tag named. @throws NotFound */
  deleteTag(name: string, tag: string): ManifestRecord {
    requireWritable(this.#context);
    const { contents } = this.#context;
    const { id } = getRepository(this.#context, name);
    const digest = contents.findTag(id, tag);
    const record = digest === undefined ? undefined : contents.findManifest(id, digest);
    if (record === undefined) throw manifestUnknown(name, tag);
    contents.deleteTag(id, tag);
    return record;
  }

  referrers(name: string, subject: Digest): Descriptor[] {
    const { repositories, contents } = this.#context;
    const repository = repositories.find(name);
    if (repository === undefined) return [];
    return contents
      .referrers(repository.id, subject)
      .map(({ mediaType, digest, sizeBytes, artifactType, annotations }) => ({
        mediaType,
        digest,
        size: sizeBytes,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      }));
  }

  #requireParts(repository: RepositoryRecord, document: ManifestDocument): void {
    const { contents, links } = this.#context;
    for (const { digest, size } of document.parts) {
      const sizeBytes =
        links.find(repository.id, digest)?.sizeBytes ??
        (document.kind === 'index' ? contents.findManifest(repository.id, digest)?.sizeBytes : undefined);
      if (sizeBytes === undefined) {
        throw new SlipwayError(
          'NotFound',
          `the manifest needs ${digest}, which is not in repository ${repository.name}: push it first`,
          { reason: 'MANIFEST_BLOB_UNKNOWN' },
        );
      }
      if (sizeBytes !== size) {
        throw new SlipwayError(
          'InvalidArgument',
          `the manifest says that ${digest} is ${size} bytes large, but it is ${sizeBytes}`,
          { reason: 'MANIFEST_INVALID' },
        );
      }
    }
  }

  #requireMutable(repository: RepositoryRecord, tags: readonly string[], digest: Digest): void {
    const { contents, settings } = this.#context;
    if (!(repository.immutableTags ?? settings.immutableTags)) return;
    for (const tag of tags) {
      const present = contents.findTag(repository.id, tag);
      if (present === undefined || present === digest) continue;
      throw new SlipwayError(
        'FailedPrecondition',
        `tag ${repository.name}:${tag} names ${present} and is immutable: push another tag`,
        { reason: 'DENIED' },
      );
    }
  }

  /** An image's is in its configuration; an index says its manifests' or leaves it to them. */
  async #platformsOf(repository: RepositoryRecord, document: ManifestDocument): Promise<readonly Platform[]> {
    const { store, contents, links } = this.#context;
    if (document.kind === 'index') {
      return document.parts.flatMap(({ platform, digest }) =>
        platform != null
          ? toPlatform(platform)
          : (contents.findManifest(repository.id, digest)?.platforms ?? []),
      );
    }
    const { config } = document;
    if (config === undefined || !isConfigType(config.mediaType) || config.size > CONFIG_MAX_BYTES) return [];
    const link = links.find(repository.id, config.digest);
    if (link === undefined) return [];
    try {
      const bytes = await store.content.read(link.content, CONFIG_MAX_BYTES);
      return toPlatform(parseJson(bytes, platformSchema, 'image configuration'));
    } catch {
      // What a configuration says is for those who run it to judge.
      return [];
    }
  }

  #partsBytes(repository: RepositoryRecord, { kind, parts }: ManifestDocument): number {
    const { contents } = this.#context;
    const sizes = new Map(
      parts.map(({ digest, size }) => [
        digest,
        kind === 'index' ? (contents.findManifest(repository.id, digest)?.totalBytes ?? size) : size,
      ]),
    );
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }
}

/** Attestations beside an image have the platform unknown/unknown, which is none. */
function toPlatform({
  os,
  architecture,
  variant,
}: {
  os: string;
  architecture: string;
  variant?: string | null | undefined;
}): Platform[] {
  if (os === 'unknown' || architecture === 'unknown') return [];
  return [normalizePlatform({ os, architecture, ...(variant == null ? {} : { variant }) })];
}

export const manifestUnknown = (repository: string, target: string) =>
  new SlipwayError('NotFound', `manifest ${target} of repository ${repository}: not found`, {
    reason: 'MANIFEST_UNKNOWN',
  });
