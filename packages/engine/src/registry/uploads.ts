import type { BlobUpload } from '@slipway/distribution/server';
import type { Blobs } from './blobs.ts';
import { getRepository, pushRepository, type RegistryContext, requireWritable } from './context.ts';
import type { RepositoryRecord } from './records.ts';
import { Upload, uploadUnknown } from './upload.ts';

const PREFIX = 'upload-';

/**
 * The uploads under way. An upload is a kept ingest of the store and nothing else, so it survives a restart; its id says
 * which repository it is for.
 */
export class Uploads implements AsyncDisposable {
  readonly #context: RegistryContext;
  readonly #blobs: Blobs;
  readonly #uploads = new Map<string, Upload>();

  constructor(context: RegistryContext, blobs: Blobs) {
    this.#context = context;
    this.#blobs = blobs;
  }

  async start(name: string): Promise<BlobUpload> {
    const repository = pushRepository(this.#context, name);
    const upload = this.#add(`${prefixOf(repository)}${this.#context.random.hex(16)}`, repository);
    await upload.open();
    return upload;
  }

  /** @throws NotFound BLOB_UPLOAD_UNKNOWN */
  async get(name: string, id: string): Promise<BlobUpload> {
    requireWritable(this.#context);
    const repository = getRepository(this.#context, name);
    if (!id.startsWith(prefixOf(repository))) throw uploadUnknown(id);
    if (!this.#uploads.has(id) && !(await this.#kept()).includes(PREFIX + id)) throw uploadUnknown(id);
    // Two requests that come at once for an upload of before get the same.
    const upload = this.#uploads.get(id) ?? this.#add(id, repository);
    if (!upload.isBusy) await upload.open();
    return upload;
  }

  async count(): Promise<number> {
    return (await this.#kept()).length;
  }

  /** Removes repositories that pushes began before then, if nothing came of them. */
  async removeAbandoned(beforeMs: number): Promise<void> {
    const { repositories } = this.#context;
    const kept = await this.#kept();
    // From here on nothing else runs: an upload that begins meanwhile is among ours.
    const keys = [...kept, ...[...this.#uploads.keys()].map((id) => PREFIX + id)];
    for (const id of repositories.pendingWithoutBlobs(beforeMs)) {
      if (!keys.some((key) => key.startsWith(PREFIX + prefixOf({ id })))) repositories.delete(id);
    }
  }

  /** Removes what got no byte since `beforeMs`. How many. */
  async expire(beforeMs: number): Promise<number> {
    return await this.#remove(PREFIX, beforeMs, (upload) => !upload.isBusy);
  }

  /** Removes all that is for the repository, also what is being sent. */
  async removeOf(repository: RepositoryRecord): Promise<void> {
    await this.#remove(PREFIX + prefixOf(repository), Number.POSITIVE_INFINITY, () => true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const upload of this.#uploads.values()) await upload.leave();
    this.#uploads.clear();
  }

  async #remove(prefix: string, beforeMs: number, mayEnd: (upload: Upload) => boolean): Promise<number> {
    const { content } = this.#context.store;
    let removed = 0;
    for await (const { key, updatedAtMs } of content.listIngests()) {
      if (!key.startsWith(prefix) || updatedAtMs >= beforeMs) continue;
      const upload = this.#uploads.get(key.slice(PREFIX.length));
      if (upload !== undefined && !mayEnd(upload)) continue;
      await (upload?.destroy() ?? content.deleteIngest(key));
      removed++;
    }
    return removed;
  }

  #add(id: string, repository: RepositoryRecord): Upload {
    const upload = new Upload({
      id,
      key: PREFIX + id,
      repository,
      context: this.#context,
      blobs: this.#blobs,
      pendingBytes: () => this.#pendingBytes(id, repository),
      onEnd: () => void this.#uploads.delete(id),
    });
    this.#uploads.set(id, upload);
    return upload;
  }

  #pendingBytes(id: string, repository: RepositoryRecord): number {
    let pendingBytes = 0;
    for (const upload of this.#uploads.values()) {
      if (upload.id !== id && upload.repository.id === repository.id) pendingBytes += upload.receivedBytes;
    }
    return pendingBytes;
  }

  async #kept(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.#context.store.content.listIngests()) {
      if (key.startsWith(PREFIX)) keys.push(key);
    }
    return keys;
  }
}

/** Repositories' numbers are never given twice. */
const prefixOf = ({ id }: Pick<RepositoryRecord, 'id'>) => `r${id}-`;
