import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { isSlipwayError, SlipwayError } from '@slipway/base';
import type { StoredBlob, Visitor } from '@slipway/distribution/server';
import { type Digest, digestAlgorithm, digestHex } from '@slipway/oci';
import type { Ingest } from '@slipway/store';
import type { BlobLink } from './blob-records.ts';
import {
  getRepository,
  pushRepository,
  quotaExceeded,
  type RegistryContext,
  requireWritable,
  roomBytes,
} from './context.ts';
import type { RepositoryRecord } from './records.ts';

/** A look at a blob counts as use, at most this often for each: collections leave alone what was looked at lately. */
const USE_MS = 10 * 60_000;

/** The blobs of all repositories: links from a repository to the store's content. */
export class Blobs {
  readonly #context: RegistryContext;

  constructor(context: RegistryContext) {
    this.#context = context;
  }

  find(name: string, digest: Digest): BlobLink | undefined {
    const repository = this.#context.repositories.find(name);
    return repository === undefined ? undefined : this.#use(repository.id, digest);
  }

  /** @throws NotFound NAME_UNKNOWN, BLOB_UNKNOWN */
  async get(name: string, digest: Digest): Promise<StoredBlob> {
    const link = this.#use(getRepository(this.#context, name).id, digest);
    if (link === undefined) throw blobUnknown(name, digest);
    return await this.open(link);
  }

  async open({ digest, content, sizeBytes }: BlobLink): Promise<StoredBlob> {
    return { digest, sizeBytes, path: await this.#context.store.content.path(content) };
  }

  /** @throws NotFound */
  delete(name: string, digest: Digest): void {
    requireWritable(this.#context);
    const { id } = getRepository(this.#context, name);
    if (!this.#context.links.delete(id, digest)) throw blobUnknown(name, digest);
  }

  /**
   * Commits the ingest as a blob of the repository.
   * @throws InvalidArgument DIGEST_INVALID, and the ingest is gone; ResourceExhausted DENIED for a full quota
   */
  async commit(repository: RepositoryRecord, ingest: Ingest, digest: Digest): Promise<void> {
    const isCanonical = digestAlgorithm(digest) === 'sha256';
    if (!isCanonical) await requireDigest(ingest, digest);
    const info = await ingest.commit(isCanonical ? { digest } : {}).catch((cause: unknown) => {
      if (!isSlipwayError(cause, 'DataLoss')) throw cause;
      throw new SlipwayError('InvalidArgument', cause.message, { cause, reason: 'DIGEST_INVALID' });
    });
    // No turn of the event loop lies between: whoever collects sees the store's commit or the link.
    this.link(repository, { digest, content: info.digest, sizeBytes: info.sizeBytes });
  }

  /** @throws ResourceExhausted DENIED for a full quota */
  link(
    repository: RepositoryRecord,
    { digest, content, sizeBytes }: Pick<BlobLink, 'digest' | 'content' | 'sizeBytes'>,
  ): void {
    const { contents, links, clock } = this.#context;
    contents.transaction(() => {
      const isNew = links.find(repository.id, digest) === undefined;
      if (isNew && sizeBytes > roomBytes(this.#context, repository)) {
        throw quotaExceeded(this.#context, repository);
      }
      links.put(repository.id, { digest, content, sizeBytes, usedAtMs: clock.nowMs() });
    });
  }

  /** @see RegistryBackend.mountBlob */
  async mount(
    name: string,
    digest: Digest,
    { from, visitor }: { readonly from: string | undefined; readonly visitor: Visitor },
  ): Promise<boolean> {
    const repository = pushRepository(this.#context, name);
    // The source's link keeps the content until, in the same turn, ours does.
    const source = this.#context.links
      .holders(digest)
      .find((holder) => (from === undefined || holder.name === from) && visitor.may('pull', holder.name));
    if (source !== undefined) {
      this.link(repository, source.link);
      return true;
    }
    return visitor.isAdmin && (await this.linkStored(repository, digest));
  }

  /** Links what the engine has anyway; false when it has not. */
  async linkStored(repository: RepositoryRecord, digest: Digest): Promise<boolean> {
    if (digestAlgorithm(digest) !== 'sha256') return false;
    const { content, leases } = this.#context.store;
    await using _lease = leases.acquire({ resources: { blobs: [digest] } });
    const info = await content.find(digest);
    if (info === undefined) return false;
    this.link(repository, { digest, content: digest, sizeBytes: info.sizeBytes });
    return true;
  }

  #use(repositoryId: number, digest: Digest): BlobLink | undefined {
    const { contents, links, clock } = this.#context;
    const link = links.find(repositoryId, digest);
    const nowMs = clock.nowMs();
    // A pusher that finds a blob here does not send it: it must stay until the manifest comes.
    if (link !== undefined && nowMs - link.usedAtMs > USE_MS && !links.isNeeded(repositoryId, digest)) {
      contents.relaxed(() => links.setUsed(repositoryId, digest, nowMs));
    }
    return link;
  }
}

/** Reads the ingest again, for the digests that the store does not compute. Gives it up when it is another. */
async function requireDigest(ingest: Ingest, digest: Digest): Promise<void> {
  await ingest.flush();
  const hash = createHash(digestAlgorithm(digest));
  for await (const chunk of createReadStream(ingest.path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  const actual = hash.digest('hex');
  if (actual === digestHex(digest)) return;
  await ingest.abandon();
  throw new SlipwayError(
    'InvalidArgument',
    `blob was said to be ${digest} and is ${digestAlgorithm(digest)}:${actual}`,
    { reason: 'DIGEST_INVALID' },
  );
}

export const blobUnknown = (repository: string, digest: Digest) =>
  new SlipwayError('NotFound', `blob ${digest} of repository ${repository}: not found`, {
    reason: 'BLOB_UNKNOWN',
  });
