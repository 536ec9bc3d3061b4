import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { RegistryClient, Repository } from '@slipway/distribution/client';
import { isDigestReference, type StoredBlob } from '@slipway/distribution/server';
import { type Descriptor, type Digest, digestAlgorithm, digestHex } from '@slipway/oci';
import { type Blobs, blobUnknown } from './blobs.ts';
import type { FoundManifest } from './content-records.ts';
import { findUpstream, type RegistryContext, type Upstream } from './context.ts';
import { type Manifests, manifestUnknown } from './manifests.ts';
import type { RepositoryRecord } from './records.ts';

/** Blobs that are being fetched, as the store's kept ingests: a fetch that was cut goes on from what is there. */
export const CACHE_PREFIX = 'cache-';
/** How long what the upstream said of a tag is believed. */
const FRESH_MS = 5_000;
/** How long an upstream may take to say whether what we have is still right. */
const REVALIDATE_MS = 5_000;
/** How long an upstream that could not be asked is left alone where what we have will do. */
const REST_MS = 30_000;
const TAGS_MAX = 100_000;

interface Source {
  readonly upstream: Upstream;
  readonly path: string;
}

/** Repositories of other registries, fetched when they are asked for and kept. */
export class PullThroughCache {
  readonly #context: RegistryContext;
  readonly #manifests: Manifests;
  readonly #blobs: Blobs;
  readonly #openClient: () => Promise<RegistryClient>;
  /** What is being fetched: whoever wants the same waits for the same. */
  readonly #fetches = new Map<string, Promise<unknown>>();
  /** When the upstream was asked for a tag, longest ago first. */
  readonly #checkedAtMs = new Map<string, number>();
  readonly #restingUntilMs = new Map<string, number>();

  constructor(
    context: RegistryContext,
    {
      manifests,
      blobs,
      openClient,
    }: { manifests: Manifests; blobs: Blobs; openClient: () => Promise<RegistryClient> },
  ) {
    this.#context = context;
    this.#manifests = manifests;
    this.#blobs = blobs;
    this.#openClient = openClient;
  }

  source(name: string): Source | undefined {
    return findUpstream(this.#context, name);
  }

  /**
   * By tag or digest. A tag is asked for upstream again when the answer is no longer fresh; while upstream cannot be
   * reached, what is here is served.
   * @throws NotFound MANIFEST_UNKNOWN
   */
  async getManifest(name: string, target: string, source: Source): Promise<FoundManifest> {
    const present = this.#manifests.find(name, target);
    if (
      present !== undefined &&
      (isDigestReference(target) || this.#isFresh(name, target) || this.#isResting(source))
    ) {
      return present;
    }
    return await this.#once(`manifest ${name} ${target}`, async () => {
      try {
        await this.#fetchManifest(name, target, source);
        this.#setChecked(name, target);
      } catch (error) {
        if (isSlipwayError(error, 'NotFound')) {
          this.#forgetTag(name, target);
          throw manifestUnknown(name, target);
        }
        if (present === undefined || isRefusal(error)) throw toReply(error, source);
        this.#rest(name, source, error);
      }
      return this.#manifests.get(name, target);
    });
  }

  /** @throws NotFound BLOB_UNKNOWN */
  async getBlob(name: string, digest: Digest, source: Source): Promise<StoredBlob> {
    const present = this.#blobs.find(name, digest);
    if (present !== undefined) return await this.#blobs.open(present);
    await this.#once(`blob ${name} ${digest}`, () =>
      this.#fetchBlob(name, digest, source).catch((error: unknown) => {
        throw toReply(error, source);
      }),
    );
    return await this.#blobs.get(name, digest);
  }

  /** The upstream's tags, in order; undefined where it cannot be asked, and what is here must do. */
  async findTags(name: string, source: Source): Promise<string[] | undefined> {
    return await this.#orNothing(name, source, async (signal) => {
      const tags: string[] = [];
      for await (const tag of (await this.#open(source)).listTags({ signal })) {
        if (tags.push(tag) >= TAGS_MAX) break;
      }
      return tags.sort();
    });
  }

  /** The upstream's referrers; undefined where it cannot be asked, and what is here must do. */
  async findReferrers(name: string, subject: Digest, source: Source): Promise<Descriptor[] | undefined> {
    return await this.#orNothing(name, source, async (signal) =>
      Array.fromAsync((await this.#open(source)).listReferrers(subject, { signal })),
    );
  }

  async #fetchManifest(name: string, target: string, source: Source): Promise<void> {
    const remote = await this.#open(source);
    const present = this.#manifests.find(name, target);
    if (present !== undefined) {
      const { digest } = await this.#withLimit((signal) => remote.resolve(target, { signal }));
      if (digest === present.digest) return;
    }
    const { descriptor, bytes } = await remote.getManifest(target);
    await this.#manifests.put(
      this.#repository(name, source),
      {
        bytes,
        digest: isDigestReference(target) ? target : descriptor.digest,
        mediaType: descriptor.mediaType,
      },
      { tags: isDigestReference(target) ? [] : [target], isCached: true },
    );
  }

  async #fetchBlob(name: string, digest: Digest, source: Source): Promise<void> {
    const { content } = this.#context.store;
    const remote = await this.#open(source);
    const found = await remote.findBlob(digest);
    if (found === undefined) throw blobUnknown(name, digest);
    // Only after the upstream said that it has the blob: a manifest there may name what others keep private here.
    if (await this.#blobs.linkStored(this.#repository(name, source), digest)) return;
    const { sizeBytes } = found;
    const key = `${CACHE_PREFIX}${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 100)}`;
    const isCanonical = digestAlgorithm(digest) === 'sha256';
    await this.#once(`ingest ${digest}`, async () => {
      await using ingest = await content.ingest({ sizeBytes, ...(isCanonical ? { digest } : {}) }, { key });
      const offset = ingest.writtenBytes;
      for await (const chunk of remote.openBlob({ digest, size: sizeBytes }, { offset })) {
        await ingest.write(chunk);
      }
      await this.#blobs.commit(this.#repository(name, source), ingest, digest).catch((cause: unknown) => {
        throw isSlipwayError(cause, 'InvalidArgument')
          ? new SlipwayError('DataLoss', `${source.upstream.url} sent something else: ${cause.message}`, {
              cause,
            })
          : cause;
      });
    });
    // Another repository of the same upstream may have been first.
    if (this.#blobs.find(name, digest) === undefined) {
      await this.#blobs.linkStored(this.#repository(name, source), digest);
    }
  }

  #repository(name: string, { upstream }: Source): RepositoryRecord {
    return this.#context.repositories.ensure(name, this.#context.clock.nowMs(), upstream.url);
  }

  async #open({ upstream, path }: Source): Promise<Repository> {
    const client = await this.#openClient();
    return client.repository(toRemoteName(upstream.url, path), upstream.credentials);
  }

  #isFresh(name: string, tag: string): boolean {
    const atMs = this.#checkedAtMs.get(`${name}:${tag}`);
    return atMs !== undefined && this.#context.clock.nowMs() - atMs < FRESH_MS;
  }

  #setChecked(name: string, target: string): void {
    const nowMs = this.#context.clock.nowMs();
    if (isDigestReference(target)) return;
    this.#checkedAtMs.delete(`${name}:${target}`);
    this.#checkedAtMs.set(`${name}:${target}`, nowMs);
    for (const [key, atMs] of this.#checkedAtMs) {
      if (nowMs - atMs < FRESH_MS) break;
      this.#checkedAtMs.delete(key);
    }
  }

  /** The upstream has the tag no more. */
  #forgetTag(name: string, target: string): void {
    const repository = this.#context.repositories.find(name);
    if (repository !== undefined && !isDigestReference(target))
      this.#context.contents.deleteTag(repository.id, target);
  }

  async #orNothing<T>(
    name: string,
    source: Source,
    ask: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const isHere = this.#context.repositories.find(name) !== undefined;
    if (isHere && this.#isResting(source)) return undefined;
    try {
      return await this.#withLimit(ask);
    } catch (error) {
      if (isSlipwayError(error, 'NotFound')) return undefined;
      if (!isHere || isRefusal(error)) throw toReply(error, source);
      this.#rest(name, source, error);
      return undefined;
    }
  }

  #isResting({ upstream }: Source): boolean {
    return (this.#restingUntilMs.get(upstream.url) ?? 0) > this.#context.clock.nowMs();
  }

  #rest(name: string, { upstream: { url } }: Source, error: unknown): void {
    const { clock, logger } = this.#context;
    this.#restingUntilMs.set(url, clock.nowMs() + REST_MS);
    logger.warn(
      { repository: name, upstream: url, error: errorMessage(error) },
      'the upstream registry cannot be asked: what was cached is served',
    );
  }

  async #withLimit<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    using _timer = this.#context.clock.timer(REVALIDATE_MS, () =>
      controller.abort(
        new SlipwayError('DeadlineExceeded', `the upstream did not answer for ${REVALIDATE_MS / 1000} s`),
      ),
    );
    return await ask(controller.signal);
  }

  async #once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#fetches.get(key) as Promise<T> | undefined;
    if (running !== undefined) return await running;
    const fetch = work().finally(() => this.#fetches.delete(key));
    this.#fetches.set(key, fetch);
    return await fetch;
  }
}

const isRefusal = (error: unknown): error is SlipwayError =>
  isSlipwayError(error, 'Unauthenticated', 'PermissionDenied');

/** The upstream's refusal is not ours: a client that was told to log in would do so here. */
const toReply = (error: unknown, { upstream: { url }, path }: Source): unknown =>
  isRefusal(error)
    ? new SlipwayError('NotFound', `${url} does not let this cache read ${path}: ${error.message}`, {
        cause: error,
        reason: 'NAME_UNKNOWN',
      })
    : error;

/** Where the registry client finds it: Docker Hub under its own name, with `library/` before a short name. */
function toRemoteName(url: string, path: string): { domain: string; path: string } {
  const { host } = new URL(url);
  if (!/^(?:registry-1|index)?\.?docker\.io$/.test(host)) return { domain: host, path };
  return { domain: 'docker.io', path: path.includes('/') ? path : `library/${path}` };
}
