import { SlipwayError } from '@slipway/base';

const HEADER_BYTES = 5;
/** More than any message of a session: files come in chunks of 32 KiB, a secret has at most 500 KiB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** A gRPC message with its length before it. @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + message.byteLength);
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, HEADER_BYTES);
  return framed;
}

/**
 * The messages in a stream of bytes.
 * @throws DataLoss when the stream ends within one; NotImplemented for a compressed one, which was not offered
 */
export async function* unframe(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const waiting: Buffer[] = [];
  let bytes = 0;
  let wanted = HEADER_BYTES;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < wanted) continue;
    let rest = waiting.length === 1 ? chunk : Buffer.concat(waiting);
    waiting.length = 0;
    while (rest.byteLength >= HEADER_BYTES) {
      wanted = HEADER_BYTES + messageBytes(rest);
      if (rest.byteLength < wanted) break;
      yield rest.subarray(HEADER_BYTES, wanted);
      rest = rest.subarray(wanted);
      wanted = HEADER_BYTES;
    }
    bytes = rest.byteLength;
    if (bytes > 0) waiting.push(rest);
  }
  if (bytes > 0) throw new SlipwayError('DataLoss', 'the build client ended its stream within a message');
}

function messageBytes(header: Buffer): number {
  if (header.readUInt8(0) !== 0) {
    throw new SlipwayError(
      'NotImplemented',
      'the build client sent a compressed message, which nobody offered it',
    );
  }
  const bytes = header.readUInt32BE(1);
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new SlipwayError('ResourceExhausted', `the build client sent a message of ${bytes} bytes`);
  }
  return bytes;
}
