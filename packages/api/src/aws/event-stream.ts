import { crc32 } from 'node:zlib';
import { SlipwayError } from '@slipway/base/errors';

/** A message of an event stream; its headers are texts. */
export interface EventMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Total length, length of the headers, and their CRC. */
const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;
const STRING = 7;
const LONGEST_NAME = 255;
const LONGEST_VALUE = 32_767;

/**
 * A message in `application/vnd.amazon.eventstream`.
 * @throws InvalidArgument for a header that is too long
 * @see https://smithy.io/2.0/aws/amazon-eventstream.html
 */
export function encodeEventMessage({ headers, body }: EventMessage): Uint8Array {
  const parts = Object.entries(headers).map(([name, value]) => encodeHeader(name, value));
  const headersBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const totalBytes = PRELUDE_BYTES + headersBytes + body.byteLength + CRC_BYTES;
  const message = Buffer.allocUnsafe(totalBytes);
  message.writeUInt32BE(totalBytes, 0);
  message.writeUInt32BE(headersBytes, 4);
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
  let at = PRELUDE_BYTES;
  for (const part of [...parts, body]) {
    message.set(part, at);
    at += part.byteLength;
  }
  message.writeUInt32BE(crc32(message.subarray(0, at)), at);
  return message;
}

function encodeHeader(name: string, value: string): Buffer {
  const [nameBytes, valueBytes] = [Buffer.from(name), Buffer.from(value)];
  if (nameBytes.byteLength > LONGEST_NAME || valueBytes.byteLength > LONGEST_VALUE) {
    throw new SlipwayError('InvalidArgument', `the header ${name} of an event is too long`);
  }
  const header = Buffer.allocUnsafe(nameBytes.byteLength + valueBytes.byteLength + 4);
  header.writeUInt8(nameBytes.byteLength, 0);
  header.set(nameBytes, 1);
  const at = 1 + nameBytes.byteLength;
  header.writeUInt8(STRING, at);
  header.writeUInt16BE(valueBytes.byteLength, at + 1);
  header.set(valueBytes, at + 3);
  return header;
}
