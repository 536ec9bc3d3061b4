import { SlipwayError } from '@slipway/base';
import { BLOCK_BYTES, paddingOf, type TarEntry, type TarEntryType } from './entry.ts';
import { checksum } from './header.ts';
import { formatPaxRecord, formatPaxTime } from './pax.ts';

/** What a new entry must say; the rest has defaults (root's, mode 0644 or 0755, the epoch). */
export type NewTarEntry = Partial<Omit<TarEntry, 'name' | 'linkName' | 'sparse' | 'typeFlag'>> & {
  readonly name: Buffer | string;
  readonly linkName?: Buffer | string | undefined;
};

const TYPE_FLAGS: Readonly<Record<Exclude<TarEntryType, 'unknown'>, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};

const MAX_8_OCTAL = 0o7777777;
const MAX_12_OCTAL = 0o77777777777;
const NS_PER_SECOND = 1_000_000_000n;

/** What ends an archive: two blocks of zeros. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES);

/** The zeros that follow a body of `sizeBytes`. */
export const tarPadding = (sizeBytes: number): Buffer => Buffer.alloc(paddingOf(sizeBytes));

/**
 * An entry's header: one ustar block, before it a PAX extended header where ustar cannot say it all (long or non-ASCII
 * names, big numbers, times below the second, attributes). The same entry always gives the same bytes.
 */
export function formatTarHeader(entry: NewTarEntry): Buffer {
  const type = entry.type ?? 'file';
  if (type === 'unknown')
    throw new SlipwayError('InvalidArgument', 'an entry of unknown type cannot be written');
  const name = withSlash(Buffer.from(entry.name), type);
  const linkName = Buffer.from(entry.linkName ?? '');
  const sizeBytes = type === 'file' ? (entry.sizeBytes ?? 0) : 0;
  const { uid = 0, gid = 0, mtimeNs = 0n, atimeNs } = entry;
  const records: Buffer[] = [];
  const need = (key: string, value: Buffer | string) => records.push(formatPaxRecord(key, value));
  if (!fitsField(name, 100)) need('path', name);
  if (!fitsField(linkName, 100)) need('linkpath', linkName);
  if (sizeBytes > MAX_12_OCTAL) need('size', String(sizeBytes));
  if (uid > MAX_8_OCTAL) need('uid', String(uid));
  if (gid > MAX_8_OCTAL) need('gid', String(gid));
  const plainTime =
    mtimeNs >= 0n && mtimeNs % NS_PER_SECOND === 0n && mtimeNs / NS_PER_SECOND <= BigInt(MAX_12_OCTAL);
  if (!plainTime) need('mtime', formatPaxTime(mtimeNs));
  if (atimeNs !== undefined) need('atime', formatPaxTime(atimeNs));
  for (const [key, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    need(`SCHILY.xattr.${key}`, value);
  }
  const header = formatBlock({
    name,
    linkName,
    flag: TYPE_FLAGS[type],
    mode: entry.mode ?? (type === 'directory' ? 0o755 : 0o644),
    uid: uid > MAX_8_OCTAL ? 0 : uid,
    gid: gid > MAX_8_OCTAL ? 0 : gid,
    sizeBytes: sizeBytes > MAX_12_OCTAL ? 0 : sizeBytes,
    mtimeSeconds: mtimeNs < 0n ? 0 : Number(mtimeNs / NS_PER_SECOND),
    deviceMajor: entry.deviceMajor ?? 0,
    deviceMinor: entry.deviceMinor ?? 0,
  });
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const extended = formatBlock({ ...PAX_HEADER, sizeBytes: body.length });
  return Buffer.concat([extended, body, tarPadding(body.length), header]);
}

interface BlockFields {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const PAX_HEADER: Omit<BlockFields, 'sizeBytes'> = {
  name: Buffer.from('PaxHeaders/entry'),
  linkName: Buffer.alloc(0),
  flag: 'x',
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 0,
  deviceMajor: 0,
  deviceMinor: 0,
};

function formatBlock(fields: BlockFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  fields.name.copy(block, 0, 0, Math.min(fields.name.length, 100));
  const octal = (offset: number, length: number, value: number) =>
    block.write(
      value
        .toString(8)
        .padStart(length - 1, '0')
        .slice(1 - length),
      offset,
      'latin1',
    );
  octal(100, 8, fields.mode & 0o7777);
  octal(108, 8, fields.uid);
  octal(116, 8, fields.gid);
  octal(124, 12, fields.sizeBytes);
  octal(136, 12, Math.min(fields.mtimeSeconds, MAX_12_OCTAL));
  block.write(fields.flag, 156, 'latin1');
  fields.linkName.copy(block, 157, 0, Math.min(fields.linkName.length, 100));
  block.write('ustar\0' + '00', 257, 'latin1');
  octal(329, 8, fields.deviceMajor);
  octal(337, 8, fields.deviceMinor);
  octal(148, 7, checksum(block));
  block[155] = 0x20;
  return block;
}

function withSlash(name: Buffer, type: TarEntryType): Buffer {
  return type === 'directory' && name.at(-1) !== 0x2f ? Buffer.concat([name, Buffer.from('/')]) : name;
}

const fitsField = (text: Buffer, length: number): boolean =>
  text.length <= length && text.every((byte) => byte < 0x80);

/** Writes an archive. A body must be as long as its entry says. @throws InvalidArgument when it is not */
export async function* writeTar(
  items: AsyncIterable<WritableItem> | Iterable<WritableItem>,
): AsyncGenerator<Buffer> {
  for await (const { entry, body } of items) {
    yield formatTarHeader(entry);
    const sizeBytes = entry.type === undefined || entry.type === 'file' ? (entry.sizeBytes ?? 0) : 0;
    let written = 0;
    if (body !== undefined) {
      for await (const chunk of body) {
        written += chunk.byteLength;
        yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      }
    }
    if (written !== sizeBytes) {
      throw new SlipwayError(
        'InvalidArgument',
        `entry "${entry.name}" has ${written} bytes and was said to have ${sizeBytes}`,
      );
    }
    if (paddingOf(sizeBytes) > 0) yield tarPadding(sizeBytes);
  }
  yield TAR_END;
}

export interface WritableItem {
  readonly entry: NewTarEntry;
  readonly body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array> | undefined;
}
