import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { SlipwayError } from '@slipway/base';

/**
 * A file of bytes that another thread may read, also while it grows. It holds the file open, so that a rename or
 * removal of the file does not matter.
 */
export interface BlobSource extends Disposable {
  readonly fd: number;
  /** How far the file is written, for one that grows. */
  readonly watermark: SharedArrayBuffer | undefined;
}

const WRITTEN = 0;
const STATE = 1;
const GROWING = 0n;
const COMPLETE = 1n;
const ABANDONED = 2n;

/** The writer's side of a growing file. */
export class Watermark {
  readonly buffer = new SharedArrayBuffer(16);
  readonly #cells = new BigInt64Array(this.buffer);

  advance(writtenBytes: number): void {
    Atomics.store(this.#cells, WRITTEN, BigInt(writtenBytes));
    Atomics.notify(this.#cells, WRITTEN);
  }

  end(how: 'complete' | 'abandoned'): void {
    if (Atomics.load(this.#cells, STATE) !== GROWING) return;
    Atomics.store(this.#cells, STATE, how === 'complete' ? COMPLETE : ABANDONED);
    Atomics.notify(this.#cells, WRITTEN);
  }
}

/** Opens a file as a source; `watermark` when it is still being written. */
export function openBlobSource(path: string, watermark?: Watermark): BlobSource {
  const fd = openSync(path, 'r');
  let open = true;
  return {
    fd,
    watermark: watermark?.buffer,
    [Symbol.dispose]: () => {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/**
 * Reads into `buffer` what is at `offset` of a source; how many bytes, none at its end. Blocks the thread until a growing
 * file's writer has brought some.
 * @throws Canceled when the writer gave up, or `isStopped`
 */
export function readBlobSource(
  { fd, watermark }: { fd: number; watermark: SharedArrayBuffer | undefined },
  buffer: Buffer,
  offset: number,
  isStopped: () => boolean,
): number {
  const limit =
    watermark === undefined
      ? Number.MAX_SAFE_INTEGER
      : waitBeyond(new BigInt64Array(watermark), offset, isStopped);
  const length = Math.min(buffer.length, limit - offset);
  return length === 0 ? 0 : readSync(fd, buffer, 0, length, offset);
}

/**
 * How many of the next bytes from `offset` on there are, at most `lengthBytes`. Blocks the thread until a growing file's
 * writer has brought them or is done.
 * @throws Canceled when the writer gave up, or `isStopped`
 */
export function awaitBytes(
  { fd, watermark }: { fd: number; watermark: SharedArrayBuffer | undefined },
  { offset, lengthBytes }: { offset: number; lengthBytes: number },
  isStopped: () => boolean,
): number {
  const end =
    watermark === undefined
      ? fstatSync(fd).size
      : waitBeyond(new BigInt64Array(watermark), offset + lengthBytes - 1, isStopped);
  return Math.min(lengthBytes, Math.max(0, end - offset));
}

/** How far the file is written, once that is beyond `offset` or will not grow. */
function waitBeyond(cells: BigInt64Array, offset: number, isStopped: () => boolean): number {
  for (;;) {
    const state = Atomics.load(cells, STATE);
    const written = Atomics.load(cells, WRITTEN);
    if (state === ABANDONED)
      throw new SlipwayError('Canceled', 'the blob was given up while it was being written');
    if (isStopped()) throw new SlipwayError('Canceled', 'reading the blob was canceled');
    if (Number(written) > offset || state === COMPLETE) return Number(written);
    // The timeout covers an end that was announced between the loads above and the wait.
    Atomics.wait(cells, WRITTEN, written, 100);
  }
}
