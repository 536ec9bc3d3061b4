import { constants, mkdirSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, opendir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostPath, hostPath, isErrno, type Random, SlipwayError } from '@slipway/base';
import { computeDigest, type Digest, digestHex, formatDigest, isDigest, parseDigest } from '@slipway/oci';
import { wrapErrno } from '../errno.ts';
import { type BlobSource, openBlobSource } from './blob-source.ts';
import type { BlobInfo, ContentStore, Expected, Ingest, IngestInfo } from './content.ts';
import { FileIngest, type FileIngestOptions } from './file-ingest.ts';

const READ_CHUNK_BYTES = 256 << 10;
const DEFAULT_READ_MAX_BYTES = 16 << 20;
/** What the file of an ingest with a key is called, before the key. */
const KEPT = 'kept-';
const KEY = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;

/** What garbage collection needs of the store beyond its contract. */
export interface CollectableContentStore extends ContentStore {
  /** Removes a blob now, in this turn, so that nobody can come to rely on it between a check and the removal. */
  deleteSync(digest: Digest): void;
  /**
   * Calls `listener` for each blob that is being committed now or later, also one that was there already, before its writer
   * relies on it; until disposed.
   */
  onCommit(listener: (digest: Digest) => void): Disposable;
}

/**
 * A content store in `root`, an OCI image layout's `blobs/` beside `ingest/`. Unfinished ingests of before are removed,
 * those with a key stay.
 */
export function openContentStore(root: string, { random }: { random: Random }): CollectableContentStore {
  return new FileContentStore(root, random);
}

class FileContentStore implements CollectableContentStore {
  readonly #blobs: string;
  readonly #ingests: string;
  readonly #random: Random;
  readonly #listeners = new Set<(digest: Digest) => void>();
  readonly #openKeys = new Set<string>();
  readonly #committing = new Set<{ readonly digest: Digest }>();

  constructor(root: string, random: Random) {
    this.#blobs = join(root, 'blobs', 'sha256');
    this.#ingests = join(root, 'ingest');
    this.#random = random;
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    mkdirSync(this.#ingests, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#ingests)) {
      if (!name.startsWith(KEPT)) rmSync(join(this.#ingests, name), { recursive: true });
    }
  }

  async info(digest: Digest): Promise<BlobInfo> {
    const info = await this.find(digest);
    if (info === undefined) throw notFound(digest);
    return info;
  }

  async find(digest: Digest): Promise<BlobInfo | undefined> {
    try {
      const { size, mtimeMs } = await stat(this.#pathOf(digest));
      return { digest, sizeBytes: size, createdAtMs: mtimeMs };
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw wrapErrno(error, `cannot look at blob ${digest}`);
    }
  }

  async *list(): AsyncIterable<BlobInfo> {
    for await (const { name } of await opendir(this.#blobs)) {
      const digest = formatDigest(name);
      const info = isDigest(digest) ? await this.find(digest) : undefined;
      if (info !== undefined) yield info;
    }
  }

  async path(digest: Digest): Promise<HostPath> {
    await this.info(digest);
    return hostPath(this.#pathOf(digest));
  }

  async *open(
    digest: Digest,
    { offset = 0, length = Number.MAX_SAFE_INTEGER }: { offset?: number; length?: number } = {},
  ): AsyncIterable<Uint8Array> {
    await using file = await this.#openFile(digest);
    let position = offset;
    let left = length;
    while (left > 0) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, left));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      left -= bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  }

  async read(digest: Digest, maxBytes = DEFAULT_READ_MAX_BYTES): Promise<Buffer> {
    const { sizeBytes } = await this.info(digest);
    if (sizeBytes > maxBytes) {
      throw new SlipwayError(
        'ResourceExhausted',
        `blob ${digest} is ${sizeBytes} bytes large, more than the ${maxBytes} allowed here`,
      );
    }
    const bytes = await readFile(this.#pathOf(digest)).catch((error: unknown) => {
      throw isErrno(error, 'ENOENT') ? notFound(digest) : wrapErrno(error, `cannot read blob ${digest}`);
    });
    const actual = computeDigest(bytes);
    if (actual !== digest) {
      throw new SlipwayError(
        'DataLoss',
        `blob ${digest} is damaged on disk: its digest is ${actual}; remove it and fetch it again`,
      );
    }
    return bytes;
  }

  async write(bytes: Uint8Array): Promise<BlobInfo> {
    const digest = computeDigest(bytes);
    using _announced = this.#announce(digest);
    const present = await this.find(digest);
    if (present?.sizeBytes === bytes.byteLength) return present;
    await using ingest = await this.ingest({ digest });
    await ingest.write(bytes);
    return await ingest.commit();
  }

  async ingest(
    expected: Expected = {},
    { key }: { readonly key?: string | undefined } = {},
  ): Promise<Ingest> {
    if (expected.digest !== undefined) this.#pathOf(expected.digest);
    if (key !== undefined) return await this.#openKept(key, expected);
    const path = hostPath(join(this.#ingests, this.#random.hex(16)));
    try {
      const file = await open(path, 'wx+', 0o600);
      return this.#ingestInto(file, path, { expected, presentBytes: 0, isKept: false, onEnd: () => {} });
    } catch (error) {
      throw wrapErrno(error, 'cannot start to write a blob');
    }
  }

  async *listIngests(): AsyncIterable<IngestInfo> {
    for await (const { name } of await opendir(this.#ingests)) {
      if (!name.startsWith(KEPT)) continue;
      const key = name.slice(KEPT.length);
      const status = await stat(join(this.#ingests, name)).catch((error: unknown) => {
        if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot look at ingest ${key}`);
      });
      if (status !== undefined) yield { key, sizeBytes: status.size, updatedAtMs: status.mtimeMs };
    }
  }

  async deleteIngest(key: string): Promise<void> {
    const path = this.#keptPath(key);
    using _held = this.#holdKey(key);
    try {
      await unlink(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw wrapErrno(error, `cannot remove ingest ${key}`);
    }
  }

  async source(digest: Digest): Promise<BlobSource> {
    try {
      return openBlobSource(this.#pathOf(digest));
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? notFound(digest) : wrapErrno(error, `cannot read blob ${digest}`);
    }
  }

  async delete(digest: Digest): Promise<void> {
    try {
      await unlink(this.#pathOf(digest));
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? notFound(digest) : wrapErrno(error, `cannot remove blob ${digest}`);
    }
  }

  deleteSync(digest: Digest): void {
    try {
      unlinkSync(this.#pathOf(digest));
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? notFound(digest) : wrapErrno(error, `cannot remove blob ${digest}`);
    }
  }

  onCommit(listener: (digest: Digest) => void): Disposable {
    for (const { digest } of this.#committing) listener(digest);
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #openKept(key: string, expected: Expected): Promise<Ingest> {
    const path = this.#keptPath(key);
    const held = this.#holdKey(key);
    let file: FileHandle | undefined;
    try {
      file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
      let { size } = await file.stat();
      if (size > (expected.sizeBytes ?? size)) {
        await file.truncate();
        size = 0;
      }
      const onEnd = () => held[Symbol.dispose]();
      return this.#ingestInto(file, path, { expected, presentBytes: size, isKept: true, onEnd });
    } catch (error) {
      await file?.close().catch(() => {});
      held[Symbol.dispose]();
      throw wrapErrno(error, `cannot go on writing ingest ${key}`);
    }
  }

  #ingestInto(
    file: FileHandle,
    path: HostPath,
    options: Omit<FileIngestOptions, 'file' | 'path' | 'finish'>,
  ): Ingest {
    return new FileIngest({ ...options, file, path, finish: (digest) => this.#finish(path, digest) });
  }

  /** The key is its holder's alone until disposed. */
  #holdKey(key: string): Disposable {
    if (this.#openKeys.has(key))
      throw new SlipwayError('Conflict', `ingest ${key} is open: wait until who writes it has ended`);
    this.#openKeys.add(key);
    return { [Symbol.dispose]: () => void this.#openKeys.delete(key) };
  }

  #keptPath(key: string): HostPath {
    if (!KEY.test(key)) {
      throw new SlipwayError(
        'InvalidArgument',
        `ingest key ${JSON.stringify(key.slice(0, 200))}: give 1 to 128 of A-Z a-z 0-9 . _ -`,
      );
    }
    return hostPath(join(this.#ingests, `${KEPT}${key}`));
  }

  async #finish(ingestPath: string, digest: Digest): Promise<BlobInfo> {
    using _announced = this.#announce(digest);
    await rename(ingestPath, this.#pathOf(digest));
    await using folder = await open(this.#blobs, 'r');
    await folder.sync();
    return await this.info(digest);
  }

  /** A collection that runs leaves the blob alone, and so does one that begins before the writer could lease it. */
  #announce(digest: Digest): Disposable {
    const commit = { digest };
    this.#committing.add(commit);
    for (const listener of this.#listeners) listener(digest);
    return { [Symbol.dispose]: () => void this.#committing.delete(commit) };
  }

  async #openFile(digest: Digest): Promise<FileHandle> {
    try {
      return await open(this.#pathOf(digest), 'r');
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? notFound(digest) : wrapErrno(error, `cannot read blob ${digest}`);
    }
  }

  #pathOf(digest: Digest): string {
    if (!parseDigest(digest).startsWith('sha256:')) {
      throw new SlipwayError('NotImplemented', `digest ${digest}: only sha256 is supported`);
    }
    return join(this.#blobs, digestHex(digest));
  }
}

const notFound = (digest: Digest) =>
  new SlipwayError('NotFound', `content ${digest}: not found`, { reason: 'BLOB_UNKNOWN' });
