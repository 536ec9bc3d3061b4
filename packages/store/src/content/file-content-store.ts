import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, opendir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostPath, hostPath, isErrno, type Random, SlipwayError } from '@slipway/base';
import { computeDigest, type Digest, digestHex, formatDigest, isDigest, parseDigest } from '@slipway/oci';
import { wrapErrno } from '../errno.ts';
import { type BlobSource, openBlobSource, Watermark } from './blob-source.ts';
import type { BlobInfo, ContentStore, Expected, Ingest } from './content.ts';

const READ_CHUNK_BYTES = 256 << 10;
const WRITE_BATCH_BYTES = 1 << 20;
const DEFAULT_READ_MAX_BYTES = 16 << 20;

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

/** A content store in `root`, an OCI image layout's `blobs/` beside `ingest/`. Unfinished ingests of before are removed. */
export function openContentStore(root: string, { random }: { random: Random }): CollectableContentStore {
  return new FileContentStore(root, random);
}

class FileContentStore implements CollectableContentStore {
  readonly #blobs: string;
  readonly #ingests: string;
  readonly #random: Random;
  readonly #listeners = new Set<(digest: Digest) => void>();
  readonly #committing = new Set<{ readonly digest: Digest }>();

  constructor(root: string, random: Random) {
    this.#blobs = join(root, 'blobs', 'sha256');
    this.#ingests = join(root, 'ingest');
    this.#random = random;
    mkdirSync(this.#blobs, { recursive: true, mode: 0o700 });
    rmSync(this.#ingests, { recursive: true, force: true });
    mkdirSync(this.#ingests, { mode: 0o700 });
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

  async ingest(expected: Expected = {}): Promise<Ingest> {
    if (expected.digest !== undefined) this.#pathOf(expected.digest);
    const path = hostPath(join(this.#ingests, this.#random.hex(16)));
    try {
      const file = await open(path, 'wx', 0o600);
      return new FileIngest(file, path, expected, (digest) => this.#finish(path, digest));
    } catch (error) {
      throw wrapErrno(error, 'cannot start to write a blob');
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

class FileIngest implements Ingest {
  readonly path: HostPath;
  readonly #file: FileHandle;
  readonly #expected: Expected;
  readonly #finish: (digest: Digest) => Promise<BlobInfo>;
  readonly #hash = createHash('sha256');
  #watermark: Watermark | undefined;
  #writtenBytes = 0;
  #flushedBytes = 0;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #flushing: Promise<void> = Promise.resolve();
  #state: 'open' | 'committed' | 'disposed' = 'open';

  constructor(
    file: FileHandle,
    path: HostPath,
    expected: Expected,
    finish: (digest: Digest) => Promise<BlobInfo>,
  ) {
    this.#file = file;
    this.path = path;
    this.#expected = expected;
    this.#finish = finish;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  source(): BlobSource {
    if (this.#watermark === undefined) {
      this.#watermark = new Watermark();
      this.#watermark.advance(this.#flushedBytes);
    }
    return openBlobSource(this.path, this.#watermark);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#requireOpen();
    const limit = this.#expected.sizeBytes;
    if (limit !== undefined && this.#writtenBytes + chunk.byteLength > limit) {
      throw new SlipwayError(
        'DataLoss',
        `blob ${this.#expected.digest ?? ''} is larger than the ${limit} bytes it was said to be`,
      );
    }
    this.#hash.update(chunk);
    this.#batch.push(chunk);
    this.#batchBytes += chunk.byteLength;
    this.#writtenBytes += chunk.byteLength;
    if (this.#batchBytes >= WRITE_BATCH_BYTES) await this.#startFlush();
  }

  /** Hands the batch to the disk and returns while it is written, so that the next one is hashed meanwhile. */
  async #startFlush(): Promise<void> {
    await this.#flushing;
    const batch = this.#batch;
    const position = this.#writtenBytes - this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#flushing = this.#flush(batch, position);
    this.#flushing.catch(() => {});
  }

  async #flush(batch: readonly Uint8Array[], position: number): Promise<void> {
    const lengthBytes = batch.reduce((sum, { byteLength }) => sum + byteLength, 0);
    let rest = batch;
    let at = position;
    try {
      while (at < position + lengthBytes) {
        const { bytesWritten } = await this.#file.writev(rest, at);
        at += bytesWritten;
        // Short only where the disk fills up: what is left goes again, for the error that tells.
        if (at < position + lengthBytes) rest = [Buffer.concat(batch).subarray(at - position)];
      }
    } catch (error) {
      throw wrapErrno(error, `cannot write blob ${this.#expected.digest ?? this.path}`);
    }
    this.#watermark?.advance(at);
    this.#flushedBytes = at;
  }

  async commit(expected: Expected = {}): Promise<BlobInfo> {
    this.#requireOpen();
    const digest = formatDigest(this.#hash.digest('hex'));
    for (const { digest: wanted, sizeBytes } of [this.#expected, expected]) {
      if (sizeBytes !== undefined && sizeBytes !== this.#writtenBytes) {
        throw new SlipwayError(
          'DataLoss',
          `blob ${wanted ?? digest} was said to be ${sizeBytes} bytes large and is ${this.#writtenBytes}`,
        );
      }
      if (wanted !== undefined && wanted !== digest) {
        throw new SlipwayError('DataLoss', `blob was said to be ${wanted} and is ${digest}`);
      }
    }
    try {
      await this.#startFlush();
      await this.#flushing;
      await this.#file.sync();
      await this.#file.close();
      const info = await this.#finish(digest);
      this.#state = 'committed';
      this.#watermark?.end('complete');
      return info;
    } catch (error) {
      throw wrapErrno(error, `cannot keep blob ${digest}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'disposed';
    this.#watermark?.end('abandoned');
    await this.#flushing.catch(() => {});
    await this.#file.close().catch(() => {});
    await unlink(this.path).catch(() => {});
  }

  #requireOpen(): void {
    if (this.#state !== 'open')
      throw new SlipwayError('FailedPrecondition', `the ingest is ${this.#state} already`);
  }
}

const notFound = (digest: Digest) =>
  new SlipwayError('NotFound', `content ${digest}: not found`, { reason: 'BLOB_UNKNOWN' });
