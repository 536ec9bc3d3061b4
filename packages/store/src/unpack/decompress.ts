import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { errorMessage, SlipwayError } from '@slipway/base';
import type { Compression } from '@slipway/oci';
import { sniffCompression } from './sniff.ts';

const OUTPUT_CHUNK_BYTES = 512 << 10;

/**
 * The bytes without their compression, which is recognised by its first bytes and told before any of them.
 * @throws DataLoss when the compressed data is damaged or cut off
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  onCompression: (compression: Compression) => void = () => {},
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await readHead(iterator);
  const compression = sniffCompression(first);
  onCompression(compression);
  const all = concatenate(first, iterator);
  if (compression === 'none') {
    yield* all;
    return;
  }
  const options = { chunkSize: OUTPUT_CHUNK_BYTES };
  const decoder = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  const input = Readable.from(all, { objectMode: false, highWaterMark: OUTPUT_CHUNK_BYTES });
  // The source's own failure (it was given up, the disk failed) must not read as damage.
  let sourceError: unknown;
  input.on('error', (error) => {
    sourceError = error;
    decoder.destroy(error);
  });
  try {
    for await (const chunk of input.pipe(decoder)) yield chunk as Buffer;
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    if (error instanceof SlipwayError) throw error;
    throw new SlipwayError(
      'DataLoss',
      `the ${compression} data is damaged or cut off: ${errorMessage(error)}`,
      { cause: error },
    );
  } finally {
    input.destroy();
    decoder.destroy();
  }
}

/** The first chunk, with more where it is too short to tell anything. */
async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < 4) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    head = head.length === 0 ? (asBuffer(value) as Buffer<ArrayBuffer>) : Buffer.concat([head, value]);
  }
  return head;
}

async function* concatenate(first: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    if (first.length > 0) yield first;
    for (;;) {
      const { value, done } = await rest.next();
      if (done === true) return;
      yield asBuffer(value);
    }
  } finally {
    await rest.return?.();
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
