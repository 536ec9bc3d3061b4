import { SlipwayError } from '@slipway/base';

/**
 * The messages between the daemon and a shim: a header of 8 bytes (payload's size as u32, type, stream, process handle as
 * u16, all little-endian) and the payload, mostly a row of NUL-terminated strings. The other end is native/shim/shim.c.
 */
export interface Frame {
  readonly type: FrameType;
  /** Output: 1 stdout, 2 stderr. */
  readonly stream: number;
  /** 0: the container's first process; others are chosen by the daemon, one for each exec. */
  readonly handle: number;
  readonly payload: Buffer;
}

export type FrameType = keyof typeof frameNames;

/** What each type says; the first ten come from the daemon, and the last two of them are answered under the same letter. */
export const frameNames = {
  B: 'begin the container',
  E: 'exec a process',
  I: 'stdin bytes',
  C: 'close stdin',
  R: 'resize the terminal',
  K: 'signal the process',
  A: 'send output, or no more of it',
  P: 'hold output, or no more',
  T: 'graft folders into the container; done, or why not',
  Y: 'tell what was written so far; it was told',
  H: 'hello: state of the shim',
  S: 'process started',
  F: 'process failed to start',
  O: 'output bytes',
  W: 'stdin bytes were written',
  X: 'process exited',
  M: 'out-of-memory kill',
  G: 'gone: everything is undone',
} as const;

const HEADER_BYTES = 8;

/** A frame as bytes. */
export function encodeFrame(type: FrameType, handle: number, payload: Uint8Array, stream = 0): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.byteLength);
  frame.writeUInt32LE(payload.byteLength, 0);
  frame[4] = type.charCodeAt(0);
  frame[5] = stream;
  frame.writeUInt16LE(handle, 6);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** A row of strings, each ended by a NUL; a list is its length and then its strings. */
export function encodeStrings(values: readonly (string | number | readonly string[])[]): Buffer {
  const flat = values.flatMap((value) => (typeof value === 'object' ? [value.length, ...value] : [value]));
  for (const value of flat) {
    if (typeof value === 'string' && value.includes('\0')) {
      throw new SlipwayError('InvalidArgument', `${JSON.stringify(value)} contains a NUL byte; remove it`);
    }
  }
  return Buffer.from(flat.map((value) => `${value}\0`).join(''));
}

export function decodeStrings(payload: Buffer): string[] {
  return payload.toString('utf8').split('\0').slice(0, -1);
}

/** Takes bytes as they arrive and gives whole frames. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<Frame> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      yield {
        type: String.fromCharCode(bytes[4] as number) as FrameType,
        stream: bytes[5] as number,
        handle: bytes.readUInt16LE(6),
        payload: bytes.subarray(HEADER_BYTES, end),
      };
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}
