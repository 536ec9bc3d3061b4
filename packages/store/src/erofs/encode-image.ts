/**
 * An EROFS file system without data: its files' data is in a second device, which is the layer's archive. So blocks are as
 * large as an archive's, where each body begins at one.
 * @see https://erofs.docs.kernel.org/en/latest/core_ondisk.html; Linux fs/erofs/erofs_fs.h
 */
import { constants } from 'node:fs';
import { makeDevice, NS_PER_SECOND, secondsOf } from '../syscalls.ts';
import { BLOCK_BYTES, type SparseSegment } from '../tar/entry.ts';
import type { Inode } from './layer-tree.ts';
import { NotExpressible } from './not-expressible.ts';

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } = constants;

const MAGIC = 0xe0f5e1e2;
const SUPERBLOCK_AT = 1024;
const DEVICE_SLOT_BYTES = 128;
/** Directly behind the superblock, which is as large. */
const DEVICE_SLOT_AT = SUPERBLOCK_AT + DEVICE_SLOT_BYTES;
const INODES_AT = 1536;
const BLOCK_BITS = 9;
const FEATURE_CHUNKED_FILE = 0x4;
const FEATURE_DEVICE_TABLE = 0x8;

/** An inode's number is where it stands, in these. */
const SLOT_BYTES = 32;
const INODE_BYTES = 64;
const EXTENDED = 1;
const LAYOUT_PLAIN = 0 << 1;
const LAYOUT_INLINE = 2 << 1;
const LAYOUT_CHUNKS = 4 << 1;
const CHUNK_INDEXES = 0x20;
const CHUNK_BITS_MAX = 31;
const CHUNK_BYTES = 8;
const CHUNKS_MAX = 1 << 17;
const HOLE = 0xffff_ffff;
const ARCHIVE_DEVICE = 1;
const BLOCKS_MAX = 0xffff_fffe;

const DIRENT_BYTES = 12;
const XATTR_HEADER_BYTES = 12;
const XATTR_ENTRY_BYTES = 4;
const XATTRS_MAX_BYTES = 0xffff * 4;
const XATTR_VALUE_MAX_BYTES = 0xffff;
const XATTR_PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
];

/** File types as directory entries tell them. */
const ENTRY_TYPES: ReadonlyMap<number, number> = new Map([
  [S_IFREG, 1],
  [S_IFDIR, 2],
  [S_IFCHR, 3],
  [S_IFBLK, 4],
  [S_IFIFO, 5],
  [S_IFLNK, 7],
]);

export interface EncodedImage {
  readonly bytes: Buffer;
  readonly inodes: number;
  /** Of files, holes not counted. */
  readonly dataBytes: number;
}

/** What stands apart from its inode, behind all of them: a folder's entries, and a link's target that is too long. */
interface Body {
  readonly at: number;
  readonly bytes: Buffer;
}

/** The image of a layer's files, whose data is in its archive. @throws NotExpressible */
export function encodeImage(root: Inode): EncodedImage {
  const { inodes, end: inodesEnd } = placeInodes(root);
  const { bodies, end } = placeBodies(inodes, inodesEnd);
  const bytes = Buffer.alloc(end);
  let dataBytes = 0;
  let archiveBytes = 0;
  for (const inode of inodes) {
    writeInode(bytes, inode, bodies.get(inode));
    const storedBytes = storedBytesOf(inode);
    dataBytes += storedBytes;
    archiveBytes = Math.max(archiveBytes, inode.bodyOffset + storedBytes);
  }
  for (const { at, bytes: body } of bodies.values()) body.copy(bytes, at);
  writeSuperblock(bytes, {
    rootNid: nidOf(root),
    inodes: inodes.length,
    archiveBlocks: blocksOf(archiveBytes),
  });
  return { bytes, inodes: inodes.length, dataBytes };
}

/** Gives each inode its place, a folder's before those of what is in it. */
function placeInodes(root: Inode): { inodes: Inode[]; end: number } {
  const inodes: Inode[] = [];
  let end = INODES_AT;
  const place = (inode: Inode) => {
    const size = sizeInPlace(inode);
    // What stands behind its inode must end in the block that it begins in.
    if (isInlineLink(inode) && (end % BLOCK_BYTES) + size > BLOCK_BYTES) end = alignUp(end, BLOCK_BYTES);
    inode.at = end;
    end = alignUp(end + size, SLOT_BYTES);
    inodes.push(inode);
  };
  place(root);
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const child of folder.children?.values() ?? []) {
      // It may have a name elsewhere too.
      if (child.at !== 0) continue;
      place(child);
      if (child.children !== undefined) pending.push(child);
    }
  }
  return { inodes, end };
}

function placeBodies(
  inodes: readonly Inode[],
  inodesEnd: number,
): { bodies: ReadonlyMap<Inode, Body>; end: number } {
  const bodies = new Map<Inode, Body>();
  let end = alignUp(inodesEnd, BLOCK_BYTES);
  for (const inode of inodes) {
    const { children, target } = inode;
    const bytes = children === undefined ? target : encodeFolder(inode, children);
    if (bytes === undefined || isInlineLink(inode)) continue;
    bodies.set(inode, { at: end, bytes });
    end = alignUp(end + bytes.length, BLOCK_BYTES);
  }
  return { bodies, end };
}

function writeSuperblock(
  bytes: Buffer,
  facts: { readonly rootNid: number; readonly inodes: number; readonly archiveBlocks: number },
): void {
  const block = bytes.subarray(SUPERBLOCK_AT);
  block.writeUInt32LE(MAGIC, 0);
  block[12] = BLOCK_BITS;
  block.writeUInt16LE(facts.rootNid, 14);
  block.writeBigUInt64LE(BigInt(facts.inodes), 16);
  block.writeUInt32LE(blocksOf(bytes.length), 36);
  block.writeUInt32LE(FEATURE_CHUNKED_FILE | FEATURE_DEVICE_TABLE, 80);
  block.writeUInt16LE(1, 86);
  block.writeUInt16LE(DEVICE_SLOT_AT / DEVICE_SLOT_BYTES, 88);
  bytes.writeUInt32LE(facts.archiveBlocks, DEVICE_SLOT_AT + 64);
}

function writeInode(bytes: Buffer, inode: Inode, body: Body | undefined): void {
  const { at, target } = inode;
  const xattrs = encodeXattrs(inode.xattrs);
  const chunks = chunksOf(inode);
  const seconds = secondsOf(inode.mtimeNs);
  const layout = chunks !== undefined ? LAYOUT_CHUNKS : isInlineLink(inode) ? LAYOUT_INLINE : LAYOUT_PLAIN;
  bytes.writeUInt16LE(layout | EXTENDED, at);
  bytes.writeUInt16LE(xattrs.length === 0 ? 0 : (xattrs.length - XATTR_HEADER_BYTES) / 4 + 1, at + 2);
  bytes.writeUInt16LE(inode.mode, at + 4);
  bytes.writeBigUInt64LE(BigInt(body?.bytes.length ?? target?.length ?? inode.sizeBytes), at + 8);
  bytes.writeUInt32LE(whereOf(inode, chunks, body), at + 16);
  bytes.writeUInt32LE(nidOf(inode), at + 20);
  bytes.writeUInt32LE(inode.uid, at + 24);
  bytes.writeUInt32LE(inode.gid, at + 28);
  bytes.writeBigInt64LE(seconds, at + 32);
  bytes.writeUInt32LE(Number(inode.mtimeNs - seconds * NS_PER_SECOND), at + 40);
  bytes.writeUInt32LE(linksOf(inode), at + 44);
  xattrs.copy(bytes, at + INODE_BYTES);
  const behind = at + INODE_BYTES + xattrs.length;
  if (body === undefined) target?.copy(bytes, behind);
  let chunkAt = alignUp(behind, CHUNK_BYTES);
  for (const block of chunks?.blocks ?? []) {
    bytes.writeUInt16LE(ARCHIVE_DEVICE, chunkAt + 2);
    bytes.writeUInt32LE(block, chunkAt + 4);
    chunkAt += CHUNK_BYTES;
  }
}

const nidOf = ({ at }: Inode): number => at / SLOT_BYTES;

/** Bytes of an inode with what stands behind it. */
function sizeInPlace(inode: Inode): number {
  const head = headBytes(inode);
  const chunks = chunksOf(inode);
  if (chunks !== undefined) return alignUp(head, CHUNK_BYTES) + chunks.blocks.length * CHUNK_BYTES;
  return isInlineLink(inode) ? head + (inode.target?.length ?? 0) : head;
}

const headBytes = ({ xattrs }: Inode): number => INODE_BYTES + encodeXattrs(xattrs).length;

const isInlineLink = (inode: Inode): boolean =>
  inode.target !== undefined && headBytes(inode) + inode.target.length <= BLOCK_BYTES;

/** A folder's are its name, `.`, and the `..` of each folder in it. */
function linksOf({ children, links }: Inode): number {
  if (children === undefined) return links;
  let folders = 0;
  for (const child of children.values()) if (child.children !== undefined) folders++;
  return 2 + folders;
}

/** The field of an inode that says, in each layout and type its own way, where to go on. */
function whereOf({ major, minor }: Inode, chunks: Chunks | undefined, body: Body | undefined): number {
  if (chunks !== undefined) return chunks.bits | CHUNK_INDEXES;
  return body === undefined ? encodeDevice(major, minor) : body.at / BLOCK_BYTES;
}

/** @see Linux include/linux/kdev_t.h, new_encode_dev */
function encodeDevice(major: number, minor: number): number {
  if (major >= 1 << 12 || minor >= 1 << 20) throw new NotExpressible();
  return Number(makeDevice(major, minor));
}

interface Chunks {
  /** A chunk has 2^(9 + bits) bytes. */
  readonly bits: number;
  /** The archive's block that each begins at, or HOLE. */
  readonly blocks: readonly number[];
}

/** Where a file's data is: in pieces as large as its holes let them be, so that of most files there is one. */
function chunksOf(inode: Inode): Chunks | undefined {
  const { sizeBytes, bodyOffset } = inode;
  if (sizeBytes === 0) return undefined;
  const segments = segmentsOf(inode);
  let bits = 0;
  while (bits < CHUNK_BITS_MAX && BLOCK_BYTES * 2 ** bits < sizeBytes) bits++;
  while (bits >= 0 && !fitsChunks(segments, sizeBytes, BLOCK_BYTES * 2 ** bits)) bits--;
  const chunkBytes = BLOCK_BYTES * 2 ** bits;
  const count = Math.ceil(sizeBytes / chunkBytes);
  if (bits < 0 || count > CHUNKS_MAX) throw new NotExpressible();
  const blocks = new Array<number>(count).fill(HOLE);
  let block = bodyOffset / BLOCK_BYTES;
  for (const { offset, length } of segments) {
    for (let at = 0; at < length; at += chunkBytes)
      blocks[(offset + at) / chunkBytes] = block + at / BLOCK_BYTES;
    block += length / BLOCK_BYTES;
  }
  if (block > BLOCKS_MAX) throw new NotExpressible();
  return { bits, blocks };
}

const segmentsOf = ({ sparse, sizeBytes }: Inode): readonly SparseSegment[] =>
  sparse?.filter(({ length }) => length > 0) ?? [{ offset: 0, length: sizeBytes }];

/** Whether each part of the data is a row of whole chunks, but for the one at the file's end. */
const fitsChunks = (segments: readonly SparseSegment[], sizeBytes: number, chunkBytes: number): boolean =>
  segments.every(
    ({ offset, length }) =>
      offset % chunkBytes === 0 && (length % chunkBytes === 0 || offset + length === sizeBytes),
  );

const storedBytesOf = ({ sparse, sizeBytes }: Inode): number =>
  sparse?.reduce((sum, { length }) => sum + length, 0) ?? sizeBytes;

function encodeXattrs(xattrs: ReadonlyMap<string, Buffer>): Buffer {
  if (xattrs.size === 0) return NO_BYTES;
  const parts: Buffer[] = [Buffer.alloc(XATTR_HEADER_BYTES)];
  for (const [name, value] of xattrs) {
    const [prefix, index] = XATTR_PREFIXES.find(([known]) => name.startsWith(known)) ?? [];
    const rest = Buffer.from(name.slice(prefix?.length));
    if (index === undefined || rest.length > 255 || value.length > XATTR_VALUE_MAX_BYTES)
      throw new NotExpressible();
    const used = XATTR_ENTRY_BYTES + rest.length + value.length;
    const entry = Buffer.alloc(alignUp(used, 4));
    entry[0] = rest.length;
    entry[1] = index;
    entry.writeUInt16LE(value.length, 2);
    rest.copy(entry, XATTR_ENTRY_BYTES);
    value.copy(entry, XATTR_ENTRY_BYTES + rest.length);
    parts.push(entry);
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length > XATTRS_MAX_BYTES) throw new NotExpressible();
  return bytes;
}

/** Blocks of entries in the order of their names' bytes: in each first the entries, then the names. */
function encodeFolder(folder: Inode, children: ReadonlyMap<string, Inode>): Buffer {
  const entries: Entry[] = [['.', folder], ['..', folder.parent ?? folder], ...children];
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const blocks: Buffer[] = [];
  for (let from = 0; from < entries.length; ) {
    let used = 0;
    let to = from;
    for (; to < entries.length; to++) {
      const size = DIRENT_BYTES + (entries[to]?.[0].length ?? 0);
      if (used + size > BLOCK_BYTES) break;
      used += size;
    }
    // Only the last block may be shorter than one.
    blocks.push(encodeEntries(entries.slice(from, to), to < entries.length ? BLOCK_BYTES : used));
    from = to;
  }
  return Buffer.concat(blocks);
}

type Entry = readonly [name: string, inode: Inode];

function encodeEntries(entries: readonly Entry[], sizeBytes: number): Buffer {
  const block = Buffer.alloc(sizeBytes);
  let nameAt = entries.length * DIRENT_BYTES;
  for (const [index, [name, inode]] of entries.entries()) {
    const at = index * DIRENT_BYTES;
    block.writeUInt32LE(nidOf(inode), at);
    block.writeUInt16LE(nameAt, at + 8);
    block[at + 10] = ENTRY_TYPES.get(inode.mode & S_IFMT) ?? 0;
    nameAt += block.write(name, nameAt, 'latin1');
  }
  return block;
}

const NO_BYTES = Buffer.alloc(0);

const alignUp = (at: number, to: number): number => Math.ceil(at / to) * to;

const blocksOf = (sizeBytes: number): number => Math.ceil(sizeBytes / BLOCK_BYTES);
