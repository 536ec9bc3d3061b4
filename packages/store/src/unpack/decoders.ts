/**
 * zlib and zstd as Node carries them (it exports both for addons), called in the thread that needs the bytes: Node's own
 * streams hand every piece to another thread and back, and allocate all that they put out.
 * @see zlib.h; zstd.h, "Streaming decompression"
 */
import { SlipwayError } from '@slipway/base';
import type { Compression } from '@slipway/oci';
import koffi from 'koffi';

const node = koffi.load(null);
const libc = koffi.load('libc.so.6');

const calls = {
  inflateInit2: node.func('int inflateInit2_(void *stream, int windowBits, const char *version, int size)'),
  inflate: node.func('int inflate(void *stream, int flush)'),
  inflateReset: node.func('int inflateReset(void *stream)'),
  inflateValidate: node.func('int inflateValidate(void *stream, int check)'),
  inflateEnd: node.func('int inflateEnd(void *stream)'),
  createDStream: node.func('void *ZSTD_createDStream()'),
  decompressStream: node.func('size_t ZSTD_decompressStream(void *stream, void *output, void *input)'),
  freeDStream: node.func('size_t ZSTD_freeDStream(void *stream)'),
  isError: node.func('uint ZSTD_isError(size_t code)'),
  getErrorName: node.func('const char *ZSTD_getErrorName(size_t code)'),
  /** Of no bytes: tells where the first buffer is. */
  memmove: libc.func('uintptr_t memmove(void *target, const void *source, size_t size)'),
} as const;

/** Bytes that do not move: not of an array so small that V8 keeps it within its own heap. */
const addressOf = (bytes: Uint8Array): bigint => BigInt(calls.memmove(bytes, bytes, 0) as number);

/**
 * Turns what is in one buffer into what fits into another. Both are the caller's, and nothing else is allocated. What comes
 * out is to be verified by its digest: gzip's own checksum is not.
 */
export interface Decoder extends Disposable {
  /** The next input: so many bytes of the input buffer, from its start. What was fed before must be used up. */
  feed(lengthBytes: number): void;
  /** Fills the output buffer; how far. Nothing means that the input is used up. @throws DataLoss for damage */
  drain(): number;
  /** Whether the data may end here. */
  readonly isComplete: boolean;
}

/** A decoder from `input` into `output`, each of 4 KiB at least. */
export function openDecoder(
  compression: Exclude<Compression, 'none'>,
  input: Uint8Array,
  output: Uint8Array,
): Decoder {
  return compression === 'gzip' ? new GzipDecoder(input, output) : new ZstdDecoder(input, output);
}

/** @throws DataLoss */
export function damaged(compression: Compression, why: string): SlipwayError {
  return new SlipwayError('DataLoss', `the ${compression} data is damaged or cut off: ${why}`);
}

const GZIP_WINDOW_BITS = 15 + 16;
const Z_OK = 0;
const Z_STREAM_END = 1;
const Z_BUF_ERROR = -5;
/** `z_stream`, in cells of 8 bytes; the counts are the lower half of theirs. */
const Z_STREAM_CELLS = 14;
const NEXT_IN = 0;
const AVAIL_IN = 1;
const NEXT_OUT = 3;
const AVAIL_OUT = 4;
const MESSAGE_BYTES_IN = 48;

class GzipDecoder implements Decoder {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  readonly #inputAddress: bigint;
  readonly #outputAddress: bigint;
  readonly #stream = new BigUint64Array(Z_STREAM_CELLS);
  readonly #counts = new Uint32Array(this.#stream.buffer);
  /** At the end of a member: another may follow, as in what bgzip and stargz write. */
  #isBetween = false;
  #isPadding = false;
  #isOpen = true;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#input = input;
    this.#output = output;
    this.#inputAddress = addressOf(input);
    this.#outputAddress = addressOf(output);
    const status = calls.inflateInit2(this.#stream, GZIP_WINDOW_BITS, '1', Z_STREAM_CELLS * 8) as number;
    if (status !== Z_OK) throw new SlipwayError('ResourceExhausted', `zlib refused to start: ${status}`);
    // Its checksum would be a second one: a layer is hashed as it comes out, and is what its digest says or refused.
    calls.inflateValidate(this.#stream, 0);
  }

  get isComplete(): boolean {
    return this.#isBetween;
  }

  feed(lengthBytes: number): void {
    this.#stream[NEXT_IN] = this.#inputAddress;
    this.#counts[AVAIL_IN * 2] = lengthBytes;
  }

  drain(): number {
    this.#stream[NEXT_OUT] = this.#outputAddress;
    this.#counts[AVAIL_OUT * 2] = this.#output.length;
    while (this.#counts[AVAIL_OUT * 2] !== 0) {
      if (this.#isBetween && !this.#beginMember()) break;
      const status = calls.inflate(this.#stream, 0) as number;
      this.#isBetween = status === Z_STREAM_END;
      if (this.#isBetween) continue;
      if (status === Z_BUF_ERROR) break;
      if (status !== Z_OK) throw damaged('gzip', this.#message() ?? `zlib's error ${status}`);
    }
    return this.#output.length - (this.#counts[AVAIL_OUT * 2] as number);
  }

  /** Whether there is one: zeros after a member are padding, and so is all that follows them. */
  #beginMember(): boolean {
    if (this.#isPadding || this.#counts[AVAIL_IN * 2] === 0) return false;
    const next = Number((this.#stream[NEXT_IN] as bigint) - this.#inputAddress);
    this.#isPadding = this.#input[next] === 0;
    if (this.#isPadding) return false;
    calls.inflateReset(this.#stream);
    return true;
  }

  #message(): string | undefined {
    return koffi.decode(this.#stream, MESSAGE_BYTES_IN, 'const char *') ?? undefined;
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) calls.inflateEnd(this.#stream);
    this.#isOpen = false;
  }
}

/** `ZSTD_inBuffer` and `ZSTD_outBuffer`, in cells of 8 bytes. */
const BUFFER_CELLS = 3;
const SIZE = 1;
const POSITION = 2;

class ZstdDecoder implements Decoder {
  readonly #in = new BigUint64Array(BUFFER_CELLS);
  readonly #out = new BigUint64Array(BUFFER_CELLS);
  readonly #stream: unknown;
  #isComplete = false;
  #isOpen = true;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#in[0] = addressOf(input);
    this.#out[0] = addressOf(output);
    this.#out[SIZE] = BigInt(output.length);
    this.#stream = calls.createDStream();
    if (!this.#stream) throw new SlipwayError('ResourceExhausted', 'zstd refused to start');
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  feed(lengthBytes: number): void {
    this.#in[SIZE] = BigInt(lengthBytes);
    this.#in[POSITION] = 0n;
  }

  drain(): number {
    this.#out[POSITION] = 0n;
    // At the end of a frame another may follow; within one, zstd may hold more than it was given room for.
    while (!(this.#isComplete && this.#in[POSITION] === this.#in[SIZE])) {
      const wanted = calls.decompressStream(this.#stream, this.#out, this.#in) as number | bigint;
      if (calls.isError(wanted) !== 0) throw damaged('zstd', String(calls.getErrorName(wanted)));
      this.#isComplete = Number(wanted) === 0;
      const isFull = this.#out[POSITION] === this.#out[SIZE];
      if (isFull || this.#in[POSITION] === this.#in[SIZE]) break;
    }
    return Number(this.#out[POSITION]);
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) calls.freeDStream(this.#stream);
    this.#isOpen = false;
  }
}
