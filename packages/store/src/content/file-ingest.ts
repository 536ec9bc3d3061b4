import { type FileHandle, unlink } from 'node:fs/promises';
import { type HostPath, SlipwayError } from '@slipway/base';
import { type Digest, formatDigest } from '@slipway/oci';
import { wrapErrno } from '../errno.ts';
import { startWriteback } from '../syscalls.ts';
import { type BlobSource, openBlobSource, Watermark } from './blob-source.ts';
import type { BlobInfo, Expected, Ingest } from './content.ts';
import { Sha256 } from './sha256.ts';

const READ_CHUNK_BYTES = 1 << 20;
const BATCH_BYTES = 1 << 20;
const WRITEBACK_BYTES = 8 << 20;

export interface FileIngestOptions {
  /** Open for reading and writing; the ingest closes it. */
  readonly file: FileHandle;
  readonly path: HostPath;
  readonly expected: Expected;
  /** What the file holds of an earlier process's writing. */
  readonly presentBytes: number;
  /** Whether the file stays when the ingest is disposed before its commit. */
  readonly isKept: boolean;
  /** Moves the verified file to its place. */
  readonly finish: (digest: Digest) => Promise<BlobInfo>;
  /** Told once the ingest has nothing open any more. */
  readonly onEnd: () => void;
}

/** A blob that is written to a file, hashed on the way. */
export class FileIngest implements Ingest {
  readonly path: HostPath;
  readonly #options: FileIngestOptions;
  readonly #hash = new Sha256();
  /** The bytes of before are hashed while the caller goes and gets the others; undefined once that is done. */
  #rehash: Promise<void> | undefined;
  #watermark: Watermark | undefined;
  #writtenBytes: number;
  #flushedBytes: number;
  /** The kernel's writing to the disk while more comes, which the fsync of the commit then need not do. */
  #writeback: Promise<void> | undefined;
  #writebackBytes: number;
  /** What was taken and not handed to the disk, and another buffer that is at the disk, each there once it was needed. */
  #batch: Buffer | undefined;
  #batchBytes = 0;
  #spare: Buffer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #state: 'open' | 'committed' | 'disposed' = 'open';

  constructor(options: FileIngestOptions) {
    this.#options = options;
    this.path = options.path;
    this.#writtenBytes = options.presentBytes;
    this.#flushedBytes = options.presentBytes;
    this.#writebackBytes = options.presentBytes;
    if (options.presentBytes > 0) {
      this.#rehash = this.#hashPresent();
      this.#rehash.catch(() => {});
    }
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
    if (this.#rehash !== undefined) await this.#rehash;
    const limit = this.#options.expected.sizeBytes;
    if (limit !== undefined && this.#writtenBytes + chunk.byteLength > limit) {
      await this.abandon();
      throw new SlipwayError(
        'DataLoss',
        `blob ${this.#options.expected.digest ?? ''} is larger than the ${limit} bytes it was said to be`,
      );
    }
    for (let at = 0; at < chunk.byteLength; ) {
      this.#batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
      const length = Math.min(BATCH_BYTES - this.#batchBytes, chunk.byteLength - at);
      this.#batch.set(chunk.subarray(at, at + length), this.#batchBytes);
      at += length;
      this.#batchBytes += length;
      this.#writtenBytes += length;
      if (this.#batchBytes === BATCH_BYTES) await this.#startFlush();
    }
  }

  async flush(): Promise<void> {
    this.#requireOpen();
    await this.#startFlush();
    await this.#flushing;
  }

  async commit(expected: Expected = {}): Promise<BlobInfo> {
    this.#requireOpen();
    await this.#rehash;
    await this.flush();
    const digest = formatDigest(this.#hash.digest());
    const difference = this.#differenceFrom([this.#options.expected, expected], digest);
    if (difference !== undefined) {
      await this.abandon();
      throw difference;
    }
    try {
      await this.#writeback;
      await this.#sync();
      await this.#options.file.close();
      const info = await this.#options.finish(digest);
      this.#state = 'committed';
      this.#hash[Symbol.dispose]();
      this.#watermark?.end('complete');
      this.#options.onEnd();
      return info;
    } catch (error) {
      throw wrapErrno(error, `cannot keep blob ${digest}`);
    }
  }

  abandon(): Promise<void> {
    return this.#end({ isKept: false });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end({ isKept: this.#options.isKept });
  }

  async #end({ isKept }: { isKept: boolean }): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'disposed';
    this.#watermark?.end('abandoned');
    const { file, onEnd } = this.#options;
    await this.#rehash?.catch(() => {});
    // Where the disk refuses, the next ingest goes on after what it took.
    if (isKept) await this.#startFlush().catch(() => {});
    await this.#flushing.catch(() => {});
    await this.#writeback;
    this.#hash[Symbol.dispose]();
    await file.close().catch(() => {});
    if (!isKept) await unlink(this.path).catch(() => {});
    onEnd();
  }

  async #hashPresent(): Promise<void> {
    const { file, presentBytes } = this.#options;
    const buffer = Buffer.allocUnsafe(Math.min(READ_CHUNK_BYTES, presentBytes));
    try {
      for (let at = 0; at < presentBytes && this.#state === 'open'; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, presentBytes - at), at);
        if (bytesRead === 0)
          throw new SlipwayError('DataLoss', `${this.path} became shorter while it was read`);
        await this.#hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
    } catch (error) {
      throw wrapErrno(error, `cannot read what is there of blob ${this.#name}`);
    }
    this.#rehash = undefined;
  }

  /** Hands the batch to the disk and to the hash, and returns while they have it, so that the next one is taken meanwhile. */
  async #startFlush(): Promise<void> {
    await this.#flushing;
    if (this.#batch === undefined || this.#batchBytes === 0) return;
    const batch = this.#batch.subarray(0, this.#batchBytes);
    const position = this.#writtenBytes - this.#batchBytes;
    [this.#batch, this.#spare] = [this.#spare, this.#batch];
    this.#batchBytes = 0;
    this.#flushing = this.#flush(batch, position);
    this.#flushing.catch(() => {});
  }

  async #flush(batch: Buffer, position: number): Promise<void> {
    const hashing = this.#hash.update(batch);
    try {
      await this.#write(batch, position);
    } finally {
      await hashing;
    }
  }

  async #write(batch: Buffer, position: number): Promise<void> {
    let at = position;
    try {
      // Short only where the disk fills up: what is left goes again, for the error that tells.
      for (let done = 0; done < batch.length; at = position + done) {
        done += (await this.#options.file.write(batch, done, batch.length - done, at)).bytesWritten;
      }
    } catch (error) {
      throw wrapErrno(error, `cannot write blob ${this.#name}`);
    }
    this.#watermark?.advance(at);
    this.#flushedBytes = at;
    this.#startWriteback();
  }

  #startWriteback(): void {
    const lengthBytes = this.#flushedBytes - this.#writebackBytes;
    if (this.#writeback !== undefined || lengthBytes < WRITEBACK_BYTES) return;
    this.#writeback = startWriteback(this.#options.file.fd, this.#writebackBytes, lengthBytes).then(() => {
      this.#writeback = undefined;
    });
    this.#writebackBytes = this.#flushedBytes;
  }

  /** After a failure the kernel may drop the pages and tell nobody again, so nothing is built on this file any more. */
  async #sync(): Promise<void> {
    try {
      await this.#options.file.sync();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  #differenceFrom(expectations: readonly Expected[], digest: Digest): SlipwayError | undefined {
    for (const { digest: wanted, sizeBytes } of expectations) {
      if (sizeBytes !== undefined && sizeBytes !== this.#writtenBytes) {
        return new SlipwayError(
          'DataLoss',
          `blob ${wanted ?? digest} was said to be ${sizeBytes} bytes large and is ${this.#writtenBytes}`,
        );
      }
      if (wanted !== undefined && wanted !== digest) {
        return new SlipwayError('DataLoss', `blob was said to be ${wanted} and is ${digest}`);
      }
    }
    return undefined;
  }

  get #name(): string {
    return this.#options.expected.digest ?? this.path;
  }

  #requireOpen(): void {
    if (this.#state !== 'open')
      throw new SlipwayError('FailedPrecondition', `the ingest is ${this.#state} already`);
  }
}
