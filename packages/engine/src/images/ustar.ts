/** A member of an archive that Slipway itself makes up: its names are short and its times fixed. */
export interface UstarEntry {
  /** At most 100 bytes; a folder's ends with a slash. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly sizeBytes?: number;
  readonly linkName?: string;
  /** Seconds since the epoch. */
  readonly mtimeSeconds: number;
}

const BLOCK_BYTES = 512;
const TYPE_FLAGS = { file: '0', symlink: '2', directory: '5' } as const;

/** The header block, owner root. @see POSIX pax, "ustar Interchange Format" */
export function ustarHeader({
  name,
  type,
  mode,
  sizeBytes = 0,
  linkName = '',
  mtimeSeconds,
}: UstarEntry): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(name, 0, 100);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  writeSize(block, sizeBytes);
  block.write(octal(mtimeSeconds, 11), 136);
  block.fill(' ', 148, 156);
  block.write(TYPE_FLAGS[type], 156);
  block.write(linkName, 157, 100);
  block.write('ustar\x0000', 257, 'latin1');
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${octal(checksum, 6)}\0 `, 148, 'latin1');
  return block;
}

/** The zeros that fill a body's last block. */
export const ustarPadding = (sizeBytes: number): Buffer =>
  Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);

/** The two blocks that end an archive. */
export const USTAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

/** Past 8 GiB as base 256, which every tar of this century reads. */
function writeSize(block: Buffer, sizeBytes: number): void {
  if (sizeBytes < 8 ** 11) {
    block.write(octal(sizeBytes, 11), 124);
    return;
  }
  block.writeUInt8(0x80, 124);
  block.writeBigUInt64BE(BigInt(sizeBytes), 128);
}
