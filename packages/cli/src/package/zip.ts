import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32, deflateRaw } from 'node:zlib';
import { SlipwayError } from '@slipway/base/errors';

const deflate = promisify(deflateRaw);

const STORED = 0;
const DEFLATED = 8;
/** 1980-01-01 00:00, the first there is: the same files make the same bytes. */
const DATE = 0x21;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 2.0, of what reads it; made by 2.0 on Unix, so that modes count. */
const VERSION = 20;
const MADE_BY = (3 << 8) | VERSION;
const MAX_ENTRIES = 0xffff;
const MAX_BYTES = 0xffff_ffff;

interface Entry {
  readonly name: Buffer;
  /** As Unix has it, with the type. */
  readonly mode: number;
  readonly crc: number;
  readonly method: number;
  readonly size: number;
  readonly packedSize: number;
  readonly offset: number;
}

/**
 * A zip archive of what is in a folder, below what `wants` takes: files and symbolic links sorted by name, no times, modes 644 or 755, so that the
 * same content gives the same bytes.
 * @throws InvalidArgument for more than the format without its 64-bit extension holds
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
export async function* zipFolder(
  folder: string,
  wants: (path: string) => boolean = () => true,
): AsyncGenerator<Buffer> {
  const entries: Entry[] = [];
  let offset = 0;
  for (const path of await listFiles(folder, '', wants)) {
    const { mode, content } = await readEntry(join(folder, path));
    const packed = await deflate(content, { level: 9 });
    const isSmaller = packed.byteLength < content.byteLength;
    const body = isSmaller ? packed : content;
    const entry: Entry = {
      name: Buffer.from(path),
      mode,
      crc: crc32(content),
      method: isSmaller ? DEFLATED : STORED,
      size: content.byteLength,
      packedSize: body.byteLength,
      offset,
    };
    entries.push(entry);
    const head = localHeader(entry);
    offset += head.byteLength + body.byteLength;
    if (entries.length > MAX_ENTRIES || offset > MAX_BYTES) throw tooLarge(entries.length, offset);
    yield head;
    yield body;
  }
  const directory = Buffer.concat(entries.map(centralHeader));
  yield directory;
  yield endRecord(entries.length, directory.byteLength, offset);
}

const tooLarge = (files: number, bytes: number): SlipwayError =>
  new SlipwayError(
    'InvalidArgument',
    `the function is too large for a zip: ${files} files, ${bytes} bytes so far; functions may have 250 MB. Package it as an image`,
  );

/** Paths of all that is no folder, in the order of their bytes. */
async function listFiles(root: string, folder: string, wants: (path: string) => boolean): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!wants(path)) continue;
    if (entry.isDirectory()) paths.push(...(await listFiles(root, path, wants)));
    else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
  }
  return paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function readEntry(path: string): Promise<{ mode: number; content: Buffer }> {
  const { mode } = await lstat(path);
  const isLink = (mode & 0o170000) === 0o120000;
  if (isLink) return { mode: 0o120777, content: Buffer.from(await readlink(path)) };
  return { mode: (mode & 0o111) === 0 ? 0o100644 : 0o100755, content: await readFile(path) };
}

/** What both headers say: version, flags, method, time, date, checksum, sizes, name, no extra fields. */
function commonFields({ name, crc, method, size, packedSize }: Entry): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(VERSION, 0);
  fields.writeUInt16LE(FLAGS, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt16LE(DATE, 8);
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(packedSize, 14);
  fields.writeUInt32LE(size, 18);
  fields.writeUInt16LE(name.byteLength, 22);
  return fields;
}

const localHeader = (entry: Entry): Buffer =>
  Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), commonFields(entry), entry.name]);

function centralHeader(entry: Entry): Buffer {
  const begin = Buffer.from('PK\x01\x02..', 'latin1');
  begin.writeUInt16LE(MADE_BY, 4);
  // Comment, disk and internal attributes are 0.
  const end = Buffer.alloc(14);
  end.writeUInt32LE(entry.mode * 2 ** 16, 6);
  end.writeUInt32LE(entry.offset, 10);
  return Buffer.concat([begin, commonFields(entry), end, entry.name]);
}

function endRecord(entries: number, directorySize: number, directoryOffset: number): Buffer {
  const record = Buffer.alloc(22);
  record.write('PK\x05\x06', 0, 'latin1');
  record.writeUInt16LE(entries, 8);
  record.writeUInt16LE(entries, 10);
  record.writeUInt32LE(directorySize, 12);
  record.writeUInt32LE(directoryOffset, 16);
  return record;
}
