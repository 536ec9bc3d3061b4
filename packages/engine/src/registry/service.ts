import { type Clock, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { RegistryClient } from '@slipway/distribution/client';
import {
  type BlobUpload,
  type NewManifest,
  parseName,
  type StoredBlob,
  type StoredManifest,
  type Visitor,
} from '@slipway/distribution/server';
import type { Descriptor, Digest } from '@slipway/oci';
import type { Collected, Store } from '@slipway/store';
import { BlobRecords } from './blob-records.ts';
import { Blobs } from './blobs.ts';
import { PullThroughCache } from './cache.ts';
import { collectRegistry } from './collect.ts';
import { ContentRecords, type ManifestRecord } from './content-records.ts';
import {
  getRepository,
  pushRepository,
  type RegistryContext,
  type RegistrySettings,
  requireUpstream,
  requireWritable,
} from './context.ts';
import { describeManifests, describeRepository } from './describe.ts';
import { Manifests } from './manifests.ts';
import { type RepositoryRecord, RepositoryRecords } from './records.ts';
import type {
  ManifestDescription,
  Registry,
  RegistryCollection,
  RegistryStatus,
  RepositoryDescription,
  RepositorySettings,
  Webhook,
} from './registry.ts';
import { Uploads } from './uploads.ts';
import { Webhooks } from './webhooks.ts';

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: RegistrySettings;
  /** The client for upstream registries; asked for when the first of them is. */
  readonly openClient: () => Promise<RegistryClient>;
  /** Has the store drop what neither images nor repositories need. */
  readonly collectStore: () => Promise<Pick<Collected, 'blobs' | 'freedBytes'>>;
}

/**
 * Opens the registry of this data root. Dispose it before the store.
 * @throws InvalidArgument for an upstream that can be none
 */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  for (const upstream of options.settings.upstreams) requireUpstream(upstream);
  return new RegistryService(options);
}

class RegistryService implements Registry {
  readonly #context: RegistryContext;
  readonly #collectStore: RegistryOptions['collectStore'];
  readonly #manifests: Manifests;
  readonly #blobs: Blobs;
  readonly #uploads: Uploads;
  readonly #cache: PullThroughCache;
  readonly #webhooks: Webhooks;
  readonly #timer: Disposable | undefined;
  #collecting: Promise<RegistryCollection> | undefined;

  constructor({ store, clock, random, logger, settings, openClient, collectStore }: RegistryOptions) {
    const repositories = new RepositoryRecords(store.database);
    const contents = new ContentRecords(store.database);
    const links = new BlobRecords(store.database);
    this.#context = { store, clock, random, logger, settings, repositories, contents, links };
    this.#collectStore = collectStore;
    this.#manifests = new Manifests(this.#context);
    this.#blobs = new Blobs(this.#context);
    this.#uploads = new Uploads(this.#context, this.#blobs);
    this.#cache = new PullThroughCache(this.#context, {
      manifests: this.#manifests,
      blobs: this.#blobs,
      openClient,
    });
    this.#webhooks = new Webhooks({ repositories, clock, random, logger });
    if (settings.gcIntervalMs > 0) {
      this.#timer = clock.interval(settings.gcIntervalMs, () => this.#collectInBackground());
    }
  }

  async listRepositories({
    after = '',
    limit,
    visitor,
  }: {
    after?: string | undefined;
    limit: number;
    visitor: Visitor;
  }): Promise<readonly string[]> {
    const names: string[] = [];
    for (const { name } of this.#context.repositories.listAfter(after)) {
      if (names.length >= limit) break;
      if (visitor.may('pull', name)) names.push(name);
    }
    return names;
  }

  async getManifest(repository: string, target: string): Promise<StoredManifest> {
    const source = this.#cache.source(repository);
    const found =
      source === undefined
        ? this.#manifests.get(repository, target)
        : await this.#cache.getManifest(repository, target, source);
    return await this.#manifests.read(found);
  }

  async putManifest(
    repository: string,
    manifest: NewManifest,
    { tags, visitor }: { readonly tags: readonly string[]; readonly visitor: Visitor },
  ): Promise<{ readonly subject: Digest | undefined }> {
    const { subject } = await this.#manifests.put(pushRepository(this.#context, repository), manifest, {
      tags,
    });
    const { digest, mediaType, bytes } = manifest;
    for (const tag of tags.length === 0 ? [undefined] : tags) {
      const event = { repository, digest, mediaType, sizeBytes: bytes.byteLength, tag, visitor };
      this.#webhooks.publish({ action: 'push', ...event });
    }
    return { subject };
  }

  async deleteManifest(repository: string, digest: Digest, visitor: Visitor): Promise<void> {
    this.#tellDeleted(repository, this.#manifests.delete(repository, digest), undefined, visitor);
  }

  async deleteTag(repository: string, tag: string, visitor: Visitor): Promise<void> {
    this.#tellDeleted(repository, this.#manifests.deleteTag(repository, tag), tag, visitor);
  }

  async listTags(
    repository: string,
    { after = '', limit }: { after?: string | undefined; limit?: number | undefined },
  ): Promise<readonly string[]> {
    const source = this.#cache.source(repository);
    const remote = source === undefined ? undefined : await this.#cache.findTags(repository, source);
    if (remote !== undefined) return remote.filter((tag) => tag > after).slice(0, limit);
    // SQLite takes a negative limit for none.
    return this.#context.contents.tagsAfter(getRepository(this.#context, repository).id, after, limit ?? -1);
  }

  async listReferrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    const source = this.#cache.source(repository);
    const remote =
      source === undefined ? undefined : await this.#cache.findReferrers(repository, digest, source);
    return remote ?? this.#manifests.referrers(repository, digest);
  }

  async getBlob(repository: string, digest: Digest): Promise<StoredBlob> {
    const source = this.#cache.source(repository);
    return await (source === undefined
      ? this.#blobs.get(repository, digest)
      : this.#cache.getBlob(repository, digest, source));
  }

  async deleteBlob(repository: string, digest: Digest): Promise<void> {
    this.#blobs.delete(repository, digest);
  }

  mountBlob(
    repository: string,
    digest: Digest,
    options: { readonly from: string | undefined; readonly visitor: Visitor },
  ): Promise<boolean> {
    return this.#blobs.mount(repository, digest, options);
  }

  startUpload(repository: string): Promise<BlobUpload> {
    return this.#uploads.start(repository);
  }

  getUpload(repository: string, id: string): Promise<BlobUpload> {
    return this.#uploads.get(repository, id);
  }

  async describeRepositories(visitor: Visitor): Promise<readonly RepositoryDescription[]> {
    return [...this.#context.repositories.listAfter('')]
      .filter(({ name }) => visitor.may('pull', name))
      .map((record) => describeRepository(this.#context, record));
  }

  async describeRepository(name: string): Promise<RepositoryDescription> {
    return describeRepository(this.#context, getRepository(this.#context, name));
  }

  async describeManifests(name: string): Promise<readonly ManifestDescription[]> {
    const record = getRepository(this.#context, name);
    this.#manifests.writePulls();
    return describeManifests(this.#context, record);
  }

  async createRepository(
    name: string,
    settings: Partial<RepositorySettings>,
  ): Promise<RepositoryDescription> {
    parseName(name);
    const { repositories, contents, clock } = this.#context;
    if (repositories.find(name)?.isPending === false) {
      throw new SlipwayError('AlreadyExists', `repository ${name} is there already`);
    }
    contents.transaction(() => {
      this.#applySettings(repositories.ensure(name, clock.nowMs()), settings);
    });
    return await this.describeRepository(name);
  }

  async updateRepository(
    name: string,
    settings: Partial<RepositorySettings>,
  ): Promise<RepositoryDescription> {
    const record = getRepository(this.#context, name);
    this.#context.contents.transaction(() => this.#applySettings(record, settings));
    return await this.describeRepository(name);
  }

  async deleteRepository(name: string, { force }: { readonly force: boolean }): Promise<void> {
    requireWritable(this.#context);
    const { repositories, contents } = this.#context;
    const record = getRepository(this.#context, name);
    const { manifests } = contents.usage(record.id);
    if (manifests > 0 && !force) {
      throw new SlipwayError(
        'FailedPrecondition',
        `repository ${name} holds ${manifests} manifests: delete them first, or force it`,
      );
    }
    repositories.delete(record.id);
    await this.#uploads.removeOf(record);
  }

  collectGarbage({ graceMs }: { readonly graceMs?: number } = {}): Promise<RegistryCollection> {
    // One after another: each says what itself removed.
    const before = this.#collecting?.catch(() => {}) ?? Promise.resolve();
    const collecting = before.then(() =>
      collectRegistry(this.#context, {
        uploads: this.#uploads,
        collectStore: this.#collectStore,
        graceMs,
      }),
    );
    this.#collecting = collecting;
    return collecting;
  }

  async status(): Promise<RegistryStatus> {
    const { settings, repositories } = this.#context;
    return {
      ...repositories.totals(),
      uploads: await this.#uploads.count(),
      isReadOnly: settings.isReadOnly,
      upstreams: settings.upstreams.map(({ prefix, url }) => ({ prefix, url })),
    };
  }

  async listWebhooks(): Promise<readonly Webhook[]> {
    return this.#webhooks.list();
  }

  async addWebhook(hook: {
    url: string;
    repositories?: string;
    secret?: string | undefined;
  }): Promise<Webhook> {
    return this.#webhooks.add(hook);
  }

  removeWebhook(id: string): Promise<void> {
    return this.#webhooks.remove(id);
  }

  keptBlobs(): readonly Digest[] {
    return this.#context.repositories.contents();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.#collecting?.catch(() => {});
    await this.#webhooks[Symbol.asyncDispose]();
    await this.#uploads[Symbol.asyncDispose]();
    this.#manifests.writePulls();
  }

  #applySettings(record: RepositoryRecord, settings: Partial<RepositorySettings>): void {
    const { repositories } = this.#context;
    const { id } = record;
    repositories.settle(record);
    if (settings.immutableTags !== undefined) repositories.setImmutableTags(id, settings.immutableTags);
    if ('quotaBytes' in settings) {
      repositories.setQuota(id, settings.quotaBytes ?? Number.POSITIVE_INFINITY);
    }
  }

  #tellDeleted(
    repository: string,
    { digest, mediaType, sizeBytes }: ManifestRecord,
    tag: string | undefined,
    visitor: Visitor,
  ): void {
    this.#webhooks.publish({ action: 'delete', repository, digest, mediaType, sizeBytes, tag, visitor });
  }

  #collectInBackground(): void {
    const { logger } = this.#context;
    this.collectGarbage().then(
      (collected) => logger.debug(collected, 'the registry collected its garbage'),
      (error: unknown) => logger.warn({ err: error }, 'the registry could not collect its garbage'),
    );
  }
}
