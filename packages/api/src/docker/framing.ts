import { SlipwayError } from '@slipway/base/errors';

/**
 * The frames in which output without a terminal travels: one byte for the stream, three zeros, the payload's length as
 * a big-endian 32-bit number, the payload.
 * @see Docker Engine API v1.51, ContainerAttach, "Stream format"
 */
export type FrameStream = 'stdin' | 'stdout' | 'stderr' | 'system';

const NUMBER_OF = { stdin: 0, stdout: 1, stderr: 2, system: 3 } as const satisfies Record<
  FrameStream,
  number
>;
const STREAMS: readonly FrameStream[] = ['stdin', 'stdout', 'stderr', 'system'];
const HEADER_BYTES = 8;

/** Content type of framed output (`docker attach` without a terminal). */
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';
/** Content type of output as it is (with a terminal). */
export const RAW_STREAM = 'application/vnd.docker.raw-stream';

export interface Frame {
  readonly stream: FrameStream;
  readonly bytes: Uint8Array;
}

/** `bytes` as one frame. */
export function encodeFrame(stream: FrameStream, bytes: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes.byteLength);
  frame.writeUInt32BE(NUMBER_OF[stream] * 0x1000000, 0);
  frame.writeUInt32BE(bytes.byteLength, 4);
  frame.set(bytes, HEADER_BYTES);
  return frame;
}

/** Finds the frames in a byte stream, however it is cut. A payload is handed on in the pieces in which it came. */
export class FrameDecoder {
  #stream: FrameStream = 'stdout';
  #payloadBytes = 0;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;

  /** Whether the stream may end here: no frame is half there. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0 && this.#payloadBytes === 0;
  }

  /** @throws InvalidArgument for a header that no engine writes. */
  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.#payloadBytes === 0) {
        const take = Math.min(HEADER_BYTES - this.#headerBytes, chunk.byteLength - at);
        this.#header.set(chunk.subarray(at, at + take), this.#headerBytes);
        this.#headerBytes += take;
        at += take;
        if (this.#headerBytes === HEADER_BYTES) this.#readHeader();
        continue;
      }
      const take = Math.min(this.#payloadBytes, chunk.byteLength - at);
      this.#payloadBytes -= take;
      yield { stream: this.#stream, bytes: chunk.subarray(at, at + take) };
      at += take;
    }
  }

  #readHeader(): void {
    const header = this.#header;
    const stream = STREAMS[header[0] ?? 255];
    if (stream === undefined || header[1] !== 0 || header[2] !== 0 || header[3] !== 0) {
      throw new SlipwayError(
        'InvalidArgument',
        `not a frame of Docker's multiplexed stream: header ${Buffer.from(header).toString('hex')}`,
      );
    }
    this.#stream = stream;
    this.#payloadBytes = new DataView(header.buffer).getUint32(4);
    this.#headerBytes = 0;
  }
}
