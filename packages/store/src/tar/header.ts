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
  readonly userName: string;
  readonly groupName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export const malformed = (message: string) =>
  new SlipwayError('InvalidArgument', `the archive is not a valid tar: ${message}`);

/** @throws InvalidArgument when the checksum or a number is wrong */
export function parseHeader(block: Buffer): RawHeader {
  verifyChecksum(block);
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  const isPosix = isUstar && block[262] === 0;
  const isStar = isPosix && block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = isPosix ? textField(block, 345, isStar ? 131 : 155) : Buffer.alloc(0);
  const name = textField(block, 0, 100);
  return {
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]),
    linkName: textField(block, 157, 100),
    mode: numberField(block, 100, 8, 'mode') & 0o7777,
    uid: numberField(block, 108, 8, 'uid'),
    gid: numberField(block, 116, 8, 'gid'),
    sizeBytes: sizeOf(numberField(block, 124, 12, 'size')),
    mtimeSeconds: numberField(block, 136, 12, 'mtime'),
    typeFlag: block[156] as number,
    userName: isUstar ? textField(block, 265, 32).toString() : '',
    groupName: isUstar ? textField(block, 297, 32).toString() : '',
    deviceMajor: isUstar ? numberField(block, 329, 8, 'devmajor') : 0,
    deviceMinor: isUstar ? numberField(block, 337, 8, 'devminor') : 0,
  };
}

export function sizeOf(value: number): number {
  if (value < 0 || !Number.isSafeInteger(value)) throw malformed(`an entry has the size ${value}`);
  return value;
}

/** Bytes up to the first NUL; a copy, since blocks are reused. */
function textField(block: Buffer, offset: number, length: number): Buffer {
  const end = block.subarray(offset, offset + length).indexOf(0);
  return Buffer.from(block.subarray(offset, offset + (end === -1 ? length : end)));
}

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
  const { unsigned, signed } = checksums(block);
  // Some old programs summed signed bytes.
  if (stored !== unsigned && stored !== signed) throw malformed('the checksum of a header is wrong');
}

/** The sums of a header's bytes, with the checksum field read as spaces. */
export function checksums(block: Buffer): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let index = 0; index < BLOCK_BYTES; index++) {
    if (index === 148) index = 156;
    const byte = block[index] as number;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return { unsigned, signed: unsigned - 256 * high };
}
