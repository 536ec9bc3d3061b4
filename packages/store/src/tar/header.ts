import { SlipwayError } from '@slipway/base';
import { BLOCK_BYTES } from './entry.ts';

/**
 * The fields of one 512-byte header block, before any extension.
 * @see POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
 */
export interface RawHeader {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly typeFlag: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export const malformed = (message: string) =>
  new SlipwayError('InvalidArgument', `the archive is not a valid tar: ${message}`);

/** @throws InvalidArgument when the checksum or a number is wrong */
export function parseHeader(block: Buffer): RawHeader {
  verifyChecksum(block);
  const isUstar = block[257] === 0x75 && block.toString('latin1', 257, 262) === 'ustar';
  return {
    name: nameField(block, isUstar && block[262] === 0),
    linkName: textField(block, 157, 100),
    mode: numberField(block, 100, 8, 'mode') & 0o7777,
    uid: numberField(block, 108, 8, 'uid'),
    gid: numberField(block, 116, 8, 'gid'),
    sizeBytes: sizeOf(numberField(block, 124, 12, 'size')),
    mtimeSeconds: numberField(block, 136, 12, 'mtime'),
    typeFlag: block[156] as number,
    deviceMajor: isUstar ? numberField(block, 329, 8, 'devmajor') : 0,
    deviceMinor: isUstar ? numberField(block, 337, 8, 'devminor') : 0,
  };
}

/** The name, with what POSIX puts before it where it is too long. */
function nameField(block: Buffer, isPosix: boolean): Buffer {
  const name = textField(block, 0, 100);
  if (!isPosix || block[345] === 0) return name;
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  return Buffer.concat([textField(block, 345, isStar ? 131 : 155), SLASH, name]);
}

const SLASH = Buffer.from('/');

export function sizeOf(value: number): number {
  if (value < 0 || !Number.isSafeInteger(value)) throw malformed(`an entry has the size ${value}`);
  return value;
}

/** Bytes up to the first NUL; a copy, since blocks are reused. */
function textField(block: Buffer, offset: number, length: number): Buffer {
  let end = offset;
  while (end < offset + length && block[end] !== 0) end++;
  if (end === offset) return NOTHING;
  const text = Buffer.allocUnsafe(end - offset);
  block.copy(text, 0, offset, end);
  return text;
}

const NOTHING = Buffer.alloc(0);

/** Octal text, or a two's complement number in base 256 where the first bit is set. */
export function numberField(block: Buffer, offset: number, length: number, what: string): number {
  const first = block[offset] as number;
  if ((first & 0x80) !== 0) return base256(block.subarray(offset, offset + length), what);
  let value = 0;
  let at = offset;
  const end = offset + length;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  for (; at < end; at++) {
    const byte = block[at] as number;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw malformed(`the ${what} of an entry is not a number`);
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

function base256(field: Buffer, what: string): number {
  const isNegative = ((field[0] as number) & 0x40) !== 0;
  let value = isNegative ? -1n : 0n;
  for (const [index, byte] of field.entries()) {
    // The first byte has the mark in its top bit and the sign in the next.
    if (index === 0) value = isNegative ? -64n + BigInt(byte & 0x3f) : BigInt(byte & 0x3f);
    else value = value * 256n + BigInt(byte);
  }
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw malformed(`the ${what} of an entry is out of range`);
  }
  return Number(value);
}

function verifyChecksum(block: Buffer): void {
  const stored = numberField(block, 148, 8, 'checksum');
  const unsigned = checksum(block);
  if (stored === unsigned) return;
  // Some old programs summed signed bytes.
  let high = 0;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    if ((index < 148 || index >= 156) && (block[index] as number) > 127) high++;
  }
  if (stored !== unsigned - 256 * high) throw malformed('the checksum of a header is wrong');
}

/** The sum of a header's bytes, with the checksum field read as spaces. */
export function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let index = 0; index < 148; index++) sum += block[index] as number;
  for (let index = 156; index < BLOCK_BYTES; index++) sum += block[index] as number;
  return sum;
}
