import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { SlipwayError } from '@slipway/base';

/**
 * Hands bytes of a file to a socket inside the kernel. Answers how many it took: 0 at the end of the file, undefined when
 * the socket has no room now.
 * @throws the system's error
 */
export type SendFile = (
  socketFd: number,
  fileFd: number,
  offset: number,
  length: number,
) => Promise<number | undefined>;

const CHUNK_BYTES = 1024 * 1024;
/** Kept for the next file; more are made when many files are sent at once, and dropped afterwards. */
const SPARE_BUFFERS = 4;
const spare: Buffer[] = [];

/** @throws Internal when it cannot be opened */
export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new SlipwayError('Internal', 'the content of the reply cannot be read', { cause });
  }
}

/**
 * Writes bytes of the file, no faster than the client reads; stops when the client goes.
 * @throws DataLoss when the file is shorter
 */
export async function writeFileBody(
  response: ServerResponse,
  handle: FileHandle,
  offset: number,
  length: number,
): Promise<void> {
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    let position = offset;
    const end = offset + length;
    while (position < end && !response.destroyed) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(CHUNK_BYTES, end - position), position);
      if (bytesRead === 0) throw tooShort(end - position);
      await writeOut(response, buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
  } finally {
    if (spare.length < SPARE_BUFFERS) spare.push(buffer);
  }
}

/** Resolves when the kernel has the bytes, so that the buffer may be used again; also when the client went. */
function writeOut(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (response.destroyed) return Promise.resolve();
  const onClose = () => resolve();
  response.once('close', onClose);
  response.write(bytes, () => {
    response.off('close', onClose);
    resolve();
  });
  return promise;
}

const tooShort = (missingBytes: number) =>
  new SlipwayError('DataLoss', `the file of the reply ended ${missingBytes} bytes early`);
