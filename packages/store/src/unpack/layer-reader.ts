import type { Compression } from '@slipway/oci';
import { awaitBytes, readBlobSource } from '../content/blob-source.ts';
import { type Decoder, damaged, openDecoder } from './decoders.ts';
import { sniffCompression } from './sniff.ts';

/** Small enough that what was decoded is still in the processor's cache when it is hashed and written. */
const INPUT_BYTES = 256 << 10;
const OUTPUT_BYTES = 256 << 10;
const MAGIC_BYTES = 4;

export interface LayerReaderOptions {
  readonly fd: number;
  /** How far the file is written, for one that grows. */
  readonly watermark: SharedArrayBuffer | undefined;
  readonly isStopped: () => boolean;
  /** Told how many bytes of the file were read, each time. */
  readonly onRead: (lengthBytes: number) => void;
}

/**
 * A layer's bytes without their compression, read in the thread that uses them. Waits, blocking, for a file that grows. Who
 * reads a compressed one verifies its digest.
 */
export class LayerReader implements Disposable {
  /** As the first bytes say. */
  readonly compression: Compression;
  readonly #options: LayerReaderOptions;
  readonly #input = Buffer.allocUnsafeSlow(INPUT_BYTES);
  readonly #output: Buffer;
  readonly #decoder: Decoder | undefined;
  #offset = 0;
  /** Bytes of the input that were read and not handed out or fed. */
  #ready = 0;

  constructor(options: LayerReaderOptions) {
    this.#options = options;
    while (this.#ready < MAGIC_BYTES) {
      const length = this.#read(this.#ready);
      if (length === 0) break;
      this.#ready += length;
    }
    this.compression = sniffCompression(this.#input.subarray(0, this.#ready));
    if (this.compression === 'none') {
      this.#output = this.#input;
    } else {
      this.#output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
      this.#decoder = openDecoder(this.compression, this.#input, this.#output);
      this.#decoder.feed(this.#take());
    }
  }

  /**
   * The next bytes, valid until the next are asked for; undefined at the end. `maxBytes` counts where nothing is decoded.
   * @throws DataLoss when the compressed data is damaged or cut off; Canceled
   */
  next(maxBytes = INPUT_BYTES): Buffer | undefined {
    if (this.#decoder === undefined) {
      const length = this.#take() || this.#read(0, maxBytes);
      return length === 0 ? undefined : this.#input.subarray(0, length);
    }
    for (;;) {
      const length = this.#decoder.drain();
      if (length > 0) return this.#output.subarray(0, length);
      const readBytes = this.#read();
      if (readBytes > 0) this.#decoder.feed(readBytes);
      else if (this.#decoder.isComplete) return undefined;
      else throw damaged(this.compression, 'unexpected end of file');
    }
  }

  /** Leaves out what comes next of a layer that is not compressed; how many bytes, fewer than asked for where it ends. */
  skip(lengthBytes: number): number {
    if (lengthBytes === 0) return 0;
    const length = awaitBytes(this.#options, { offset: this.#offset, lengthBytes }, this.#options.isStopped);
    this.#offset += length;
    this.#options.onRead(length);
    return length;
  }

  /** Waits until all of a layer that is not compressed has been written. @throws Canceled when its writer gave up */
  awaitEnd(): void {
    while (this.skip(INPUT_BYTES) > 0);
  }

  [Symbol.dispose](): void {
    this.#decoder?.[Symbol.dispose]();
  }

  #take(): number {
    const length = this.#ready;
    this.#ready = 0;
    return length;
  }

  #read(start = 0, end = INPUT_BYTES): number {
    const { isStopped, onRead } = this.#options;
    const length = readBlobSource(this.#options, this.#input.subarray(start, end), this.#offset, isStopped);
    this.#offset += length;
    onRead(length);
    return length;
  }
}
