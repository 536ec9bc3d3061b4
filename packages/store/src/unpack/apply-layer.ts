import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, SlipwayError } from '@slipway/base';
import type { DiffId } from '@slipway/oci';
import { encodeImage } from '../erofs/encode-image.ts';
import { LayerTree } from '../erofs/layer-tree.ts';
import { ARCHIVE_FILE, IMAGE_FILE } from '../erofs/mount-image.ts';
import { NotExpressible } from '../erofs/not-expressible.ts';
import { wrapErrno } from '../errno.ts';
import type { LayerForm, SnapshotUsage } from '../snapshots/snapshots.ts';
import { linkFd, startWritebackSync } from '../syscalls.ts';
import { TarParser } from '../tar/parser.ts';
import { LayerReader } from './layer-reader.ts';
import { LayerWriter } from './layer-writer.ts';

/** One layer to unpack; it can be sent to another thread. */
export interface LayerJob {
  readonly fd: number;
  readonly watermark: SharedArrayBuffer | undefined;
  /** A snapshot's folder, in which an empty `fs` is. What is in it after a failure is the caller's to remove. */
  readonly folder: string;
  /** Where the layer cannot be an image, it becomes files all the same. */
  readonly form: LayerForm;
  /** What the uncompressed archive must hash to. */
  readonly diffId: DiffId | undefined;
  /** Whether a layer that is not compressed is hashed; without it, its blob's digest says what it is. */
  readonly hashesPlain: boolean;
  /** Two cells: a flag that the caller sets to stop, and the compressed bytes read so far. */
  readonly control: SharedArrayBuffer;
}

export interface AppliedLayer {
  /** Undefined for a layer that was not compressed, where `hashesPlain` was not asked for: it is the blob's digest. */
  readonly diffId: DiffId | undefined;
  readonly form: LayerForm;
  readonly usage: SnapshotUsage;
}

export const CONTROL_BYTES = 16;
export const CONTROL_STOP = 0;
export const CONTROL_READ = 1;

const WRITEBACK_BYTES = 8 << 20;
/** As much as is read where most of what follows a header is skipped. */
const SKIPPING_READ_BYTES = 32 << 10;

/**
 * Unpacks one layer, in overlayfs form, and verifies what it hashes to. Blocks its thread.
 * @throws DataLoss for a wrong digest, damage and truncation; InvalidArgument for an archive that is unsafe or no tar;
 * ResourceExhausted for a full disk; Canceled
 */
export function applyLayer(job: LayerJob): AppliedLayer {
  if (job.form === 'files') return applyAsFiles(job);
  try {
    return applyAsImage(job);
  } catch (error) {
    if (!(error instanceof NotExpressible)) throw error;
    for (const name of [ARCHIVE_FILE, IMAGE_FILE]) rmSync(join(job.folder, name), { force: true });
    Atomics.store(new BigInt64Array(job.control), CONTROL_READ, 0n);
    return applyAsFiles(job);
  }
}

function applyAsFiles(job: LayerJob): AppliedLayer {
  using writer = new LayerWriter(join(job.folder, 'fs'), { whiteouts: 'overlay' });
  const parser = new TarParser(writer);
  using reader = openReader(job);
  const diffId = readLayer(job, reader, { parser, skipsBodies: false });
  writer.finish();
  return { diffId, form: 'files', usage: writer.usage };
}

/**
 * Keeps the archive as it is, and beside it an image that says where in it each file is. All of it is on the disk in the end.
 * @throws NotExpressible as well
 */
function applyAsImage(job: LayerJob): AppliedLayer {
  const tree = new LayerTree();
  const parser = new TarParser(tree);
  using reader = openReader(job);
  const archivePath = join(job.folder, ARCHIVE_FILE);
  const isPlain = reader.compression === 'none';
  using archive = isPlain ? undefined : new DurableFile(archivePath);
  if (isPlain) linkArchive(job.fd, archivePath);
  const diffId = readLayer(job, reader, {
    parser,
    skipsBodies: isPlain && !job.hashesPlain,
    ...(archive === undefined ? {} : { onChunk: (chunk) => archive.write(chunk) }),
  });
  const { bytes, inodes, dataBytes } = encodeImage(tree.root);
  using image = new DurableFile(join(job.folder, IMAGE_FILE));
  image.write(bytes);
  for (const file of [archive, image]) file?.sync();
  // Who writes the blob brings it to the disk, which takes about as long as making the image.
  if (isPlain) reader.awaitEnd();
  return { diffId, form: 'image', usage: { sizeBytes: dataBytes, inodes } };
}

function openReader({ fd, watermark, control }: LayerJob): LayerReader {
  const cells = new BigInt64Array(control);
  return new LayerReader({
    fd,
    watermark,
    isStopped: () => Atomics.load(cells, CONTROL_STOP) !== 0n,
    onRead: (lengthBytes) => Atomics.add(cells, CONTROL_READ, BigInt(lengthBytes)),
  });
}

/** Reads all of a layer into a parser; its diffID, where it was hashed. */
function readLayer(
  { hashesPlain, diffId: wanted, control }: LayerJob,
  reader: LayerReader,
  options: {
    readonly parser: TarParser;
    readonly skipsBodies: boolean;
    readonly onChunk?: (chunk: Buffer) => void;
  },
): DiffId | undefined {
  const { parser, skipsBodies, onChunk } = options;
  const cells = new BigInt64Array(control);
  const hash = reader.compression !== 'none' || hashesPlain ? createHash('sha256') : undefined;
  const readBytes = skipsBodies ? SKIPPING_READ_BYTES : undefined;
  for (let chunk = reader.next(readBytes); chunk !== undefined; chunk = reader.next(readBytes)) {
    if (Atomics.load(cells, CONTROL_STOP) !== 0n) {
      throw new SlipwayError('Canceled', 'unpacking was canceled');
    }
    hash?.update(chunk);
    onChunk?.(chunk);
    parser.push(chunk);
    if (!skipsBodies) continue;
    parser.skip(reader.skip(parser.skippableBytes));
    if (parser.hasEnded) break;
  }
  parser.end();
  const diffId = hash === undefined ? undefined : (`sha256:${hash.digest('hex')}` as DiffId);
  if (wanted !== undefined && diffId !== wanted) {
    throw new SlipwayError('DataLoss', `the layer was said to unpack to diffID ${wanted} and is ${diffId}`);
  }
  return diffId;
}

/** The blob's file under a second name: no byte of it is copied, and it stays when the blob is deleted. */
function linkArchive(fd: number, path: string): void {
  try {
    linkFd(fd, path);
  } catch (error) {
    // Blobs on another disk, or a file system without second names.
    if (isErrno(error, 'EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP')) throw new NotExpressible();
    throw wrapErrno(error, `cannot keep the layer in ${path}`);
  }
}

/** A file that is written from its start to its end and then brought to the disk. */
class DurableFile implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  #writtenBytes = 0;
  #writebackBytes = 0;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'wx', 0o600);
    } catch (error) {
      throw wrapErrno(error, `cannot make ${path}`);
    }
  }

  write(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length; ) {
        const length = writeSync(this.#fd, chunk, at, chunk.length - at);
        at += length;
        this.#writtenBytes += length;
      }
    } catch (error) {
      throw wrapErrno(error, `cannot write ${this.#path}`);
    }
    const lengthBytes = this.#writtenBytes - this.#writebackBytes;
    if (lengthBytes < WRITEBACK_BYTES) return;
    startWritebackSync(this.#fd, this.#writebackBytes, lengthBytes);
    this.#writebackBytes = this.#writtenBytes;
  }

  sync(): void {
    try {
      fsyncSync(this.#fd);
    } catch (error) {
      throw wrapErrno(error, `cannot bring ${this.#path} to the disk`);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
