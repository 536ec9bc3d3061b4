import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { SlipwayError } from '@slipway/base';

/** Hands bytes of files to one socket inside the kernel. It has the socket's descriptor as its own until it is disposed. */
export interface FileSender extends Disposable {
  /**
   * How many bytes the socket took; 0 at the end of the file, undefined when it took none: there was no room, or something
   * is wrong, of which the next write is told.
   */
  send(fileFd: number, offset: number, length: number): Promise<number | undefined>;
}

/** Opens a sender for a socket's descriptor; undefined when it cannot. @see sendfile(2) */
export type OpenFileSender = (socketFd: number) => FileSender | undefined;

/** Read at once where the kernel does not send by itself. */
const CHUNK_BYTES = 1024 * 1024;
/** Written through Node before the kernel sends, and again to be told when the socket has room. */
const NUDGE_BYTES = 64 * 1024;
/** Sent by the kernel at once: one thread of the pool is busy with it. */
const SEND_BYTES = 4 * 1024 * 1024;
/** A file smaller than this is not worth a sender. */
const LEAST_SENT_BYTES = 256 * 1024;
/** Kept for the next file; more are made when many files are sent at once, and dropped afterwards. */
const SPARE_BUFFERS = 4;
const spare: Buffer[] = [];

interface Part {
  readonly handle: FileHandle;
  readonly offset: number;
  readonly length: number;
}

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
  part: Part,
  openSender: OpenFileSender | undefined,
): Promise<void> {
  const fd = part.length >= LEAST_SENT_BYTES ? plainFd(response.socket) : undefined;
  using sender = fd === undefined ? undefined : openSender?.(fd);
  if (sender === undefined) await copyFile(response, part);
  else await sendFile(response, part, sender);
}

/** The descriptor of a socket on which bytes go out as they are: no TLS. */
function plainFd(socket: Socket | null): number | undefined {
  if (socket === null || 'encrypted' in socket) return undefined;
  const fd = (socket as { _handle?: { fd?: unknown } | null })._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/**
 * The kernel sends whenever the socket has room. What Node writes in between waits for room as Node does, and keeps the
 * order: nothing of it is left in memory while the kernel sends.
 */
async function sendFile(
  response: ServerResponse,
  { handle, offset, length }: Part,
  sender: FileSender,
): Promise<void> {
  let position = offset;
  const end = offset + length;
  let hasRoom = false;
  const nudge = Buffer.allocUnsafeSlow(NUDGE_BYTES);
  while (position < end && !response.destroyed) {
    if (!hasRoom) {
      position += await copyOnce(response, handle, { buffer: nudge, position, end });
      hasRoom = true;
      continue;
    }
    const sent = await sender.send(handle.fd, position, Math.min(SEND_BYTES, end - position));
    if (sent === 0) throw tooShort(end - position);
    hasRoom = sent !== undefined;
    position += sent ?? 0;
  }
}

async function copyFile(response: ServerResponse, { handle, offset, length }: Part): Promise<void> {
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    let position = offset;
    const end = offset + length;
    while (position < end && !response.destroyed) {
      position += await copyOnce(response, handle, { buffer, position, end });
    }
  } finally {
    if (spare.length < SPARE_BUFFERS) spare.push(buffer);
  }
}

/** How many bytes the kernel has now; a buffer at most. @throws DataLoss at the end of the file */
async function copyOnce(
  response: ServerResponse,
  handle: FileHandle,
  { buffer, position, end }: { buffer: Buffer; position: number; end: number },
): Promise<number> {
  const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, end - position), position);
  if (bytesRead === 0) throw tooShort(end - position);
  await writeOut(response, buffer.subarray(0, bytesRead));
  return bytesRead;
}

/** Resolves when the kernel has the bytes, so that the buffer may be used again; also when the client went. */
function writeOut(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
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
