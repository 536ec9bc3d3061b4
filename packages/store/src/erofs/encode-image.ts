/**
 * An EROFS file system without data: its files' data is in a second device, which is the layer's archive. So blocks are as
 * large as an archive's, where each body begins at one.
 * @see https://erofs.docs.kernel.org/en/latest/core_ondisk.html; Linux fs/erofs/erofs_fs.h
 */
import { constants } from 'node:fs';
import { makeDevice } from '../syscalls.ts';
import { BLOCK_BYTES } from '../tar/entry.ts';
import type { Extent, Inode } from './layer-tree.ts';
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

/** Where an inode and what belongs to it stand in the image. */
interface Place {
  readonly inode: Inode;
  readonly xattrs: Buffer;
  readonly chunks: Chunks | undefined;
  /** In bytes. */
  at: number;
  /** Of a folder's entries, and a link's target that does not fit behind its inode: bytes, and where the first block is. */
  body: Buffer | undefined;
  bodyAt: number;
  /** A folder that is in this one, and itself. */
  links: number;
  /** Its parent's, for `..`. */
  readonly parent: Place | undefined;
}

interface Chunks {
  /** A chunk has 2^(9 + bits) bytes. */
  readonly bits: number;
  /** The archive's block that each begins at, or HOLE. */
  readonly blocks: readonly number[];
}

export interface EncodedImage {
  readonly bytes: Buffer;
  readonly inodes: number;
  /** Of files, holes not counted. */
  readonly dataBytes: number;
}

/** The image of a layer's files, whose data is in its archive. @throws NotExpressible */
export function encodeImage(root: Inode): EncodedImage {
  const places = new Map<Inode, Place>();
  const end = placeBodies(placeInodes(root, places), places);
  const bytes = Buffer.alloc(end);
  let dataBytes = 0;
  let archiveBytes = 0;
  for (const place of places.values()) {
    writeInode(bytes, place);
    if (place.inode.content.kind !== 'data') continue;
    for (const { archiveOffset, length } of place.inode.content.extents) {
      dataBytes += length;
      archiveBytes = Math.max(archiveBytes, archiveOffset + length);
    }
  }
  writeSuperblock(bytes, {
    rootNid: nidOf(places.get(root) as Place),
    inodes: places.size,
    archiveBlocks: blocksOf(archiveBytes),
  });
  return { bytes, inodes: places.size, dataBytes };
}

/** Gives each inode its place, a folder's before those of what is in it; where they end. */
function placeInodes(root: Inode, places: Map<Inode, Place>): number {
  let at = INODES_AT;
  const place = (inode: Inode, parent: Place | undefined): Place => {
    const xattrs = encodeXattrs(inode.xattrs);
    const chunks =
      inode.content.kind === 'data' && inode.content.sizeBytes > 0
        ? chunksOf(inode.content.sizeBytes, inode.content.extents)
        : undefined;
    const head = INODE_BYTES + xattrs.length;
    const target = inode.content.kind === 'link' ? inode.content.target : undefined;
    let size = head;
    if (chunks !== undefined) size = alignUp(head, CHUNK_BYTES) + chunks.blocks.length * CHUNK_BYTES;
    // What stands behind its inode must end in the block that it begins in.
    const isInline = target !== undefined && head + target.length <= BLOCK_BYTES;
    if (isInline) {
      size += target.length;
      if ((at % BLOCK_BYTES) + size > BLOCK_BYTES) at = alignUp(at, BLOCK_BYTES);
    }
    const placed: Place = {
      inode,
      xattrs,
      chunks,
      at,
      body: isInline ? undefined : target,
      bodyAt: 0,
      links: inode.links,
      parent,
    };
    at = alignUp(at + size, SLOT_BYTES);
    places.set(inode, placed);
    return placed;
  };
  const pending = [place(root, undefined)];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    folder.links = 2;
    for (const child of folder.inode.children?.values() ?? []) {
      if (child.children === undefined) {
        if (!places.has(child)) place(child, folder);
      } else {
        folder.links++;
        pending.push(place(child, folder));
      }
    }
  }
  return at;
}

/** Gives what stands apart from its inode its blocks, behind all inodes; where they end. */
function placeBodies(inodesEnd: number, places: ReadonlyMap<Inode, Place>): number {
  let at = alignUp(inodesEnd, BLOCK_BYTES);
  for (const place of places.values()) {
    if (place.inode.children !== undefined) place.body = encodeFolder(place, place.inode.children, places);
    if (place.body === undefined) continue;
    place.bodyAt = at;
    at = alignUp(at + place.body.length, BLOCK_BYTES);
  }
  return at;
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

function writeInode(bytes: Buffer, place: Place): void {
  const { inode, xattrs, chunks, at, body } = place;
  const { content } = inode;
  const seconds = floorDivide(inode.mtimeNs, NS_PER_SECOND);
  bytes.writeUInt16LE(layoutOf(place) | EXTENDED, at);
  bytes.writeUInt16LE(xattrs.length === 0 ? 0 : (xattrs.length - XATTR_HEADER_BYTES) / 4 + 1, at + 2);
  bytes.writeUInt16LE(inode.mode, at + 4);
  bytes.writeBigUInt64LE(BigInt(sizeOf(place)), at + 8);
  bytes.writeUInt32LE(whereOf(place), at + 16);
  bytes.writeUInt32LE(nidOf(place), at + 20);
  bytes.writeUInt32LE(inode.uid, at + 24);
  bytes.writeUInt32LE(inode.gid, at + 28);
  bytes.writeBigInt64LE(seconds, at + 32);
  bytes.writeUInt32LE(Number(inode.mtimeNs - seconds * NS_PER_SECOND), at + 40);
  bytes.writeUInt32LE(place.links, at + 44);
  xattrs.copy(bytes, at + INODE_BYTES);
  const behind = at + INODE_BYTES + xattrs.length;
  if (body !== undefined) body.copy(bytes, place.bodyAt);
  else if (content.kind === 'link') content.target.copy(bytes, behind);
  let chunkAt = alignUp(behind, CHUNK_BYTES);
  for (const block of chunks?.blocks ?? []) {
    bytes.writeUInt16LE(ARCHIVE_DEVICE, chunkAt + 2);
    bytes.writeUInt32LE(block, chunkAt + 4);
    chunkAt += CHUNK_BYTES;
  }
}

const NS_PER_SECOND = 1_000_000_000n;

const nidOf = ({ at }: Place): number => at / SLOT_BYTES;

function layoutOf({ inode: { content }, chunks, body }: Place): number {
  if (chunks !== undefined) return LAYOUT_CHUNKS;
  return content.kind === 'link' && body === undefined ? LAYOUT_INLINE : LAYOUT_PLAIN;
}

function sizeOf({ inode: { content }, body }: Place): number {
  if (content.kind === 'data') return content.sizeBytes;
  return content.kind === 'link' ? content.target.length : (body?.length ?? 0);
}

/** The field of an inode that says, in each layout and type its own way, where to go on. */
function whereOf({ inode: { content }, chunks, body, bodyAt }: Place): number {
  if (chunks !== undefined) return chunks.bits | CHUNK_INDEXES;
  if (content.kind === 'device') return encodeDevice(content);
  return body === undefined ? 0 : bodyAt / BLOCK_BYTES;
}

/** @see Linux include/linux/kdev_t.h, new_encode_dev */
function encodeDevice({ major, minor }: { readonly major: number; readonly minor: number }): number {
  if (major >= 1 << 12 || minor >= 1 << 20) throw new NotExpressible();
  return Number(makeDevice(major, minor));
}

/** As large as holes and data let the pieces be, so that most files are one. */
function chunksOf(sizeBytes: number, extents: readonly Extent[]): Chunks {
  const isWhole = ({ offset, archiveOffset, length }: Extent, chunkBytes: number) =>
    offset % chunkBytes === 0 &&
    archiveOffset % BLOCK_BYTES === 0 &&
    (length % chunkBytes === 0 || offset + length === sizeBytes);
  let bits = 0;
  while (bits < CHUNK_BITS_MAX && BLOCK_BYTES * 2 ** bits < sizeBytes) bits++;
  while (bits >= 0 && !extents.every((extent) => isWhole(extent, BLOCK_BYTES * 2 ** bits))) bits--;
  const chunkBytes = BLOCK_BYTES * 2 ** bits;
  const count = Math.ceil(sizeBytes / chunkBytes);
  if (bits < 0 || count > CHUNKS_MAX) throw new NotExpressible();
  const blocks = new Array<number>(count).fill(HOLE);
  for (const { offset, archiveOffset, length } of extents) {
    for (let at = 0; at < length; at += chunkBytes) {
      const block = (archiveOffset + at) / BLOCK_BYTES;
      if (block > BLOCKS_MAX) throw new NotExpressible();
      blocks[(offset + at) / chunkBytes] = block;
    }
  }
  return { bits, blocks };
}

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
function encodeFolder(
  place: Place,
  children: ReadonlyMap<string, Inode>,
  places: ReadonlyMap<Inode, Place>,
): Buffer {
  const entries: [name: string, place: Place][] = [
    ['.', place],
    ['..', place.parent ?? place],
  ];
  for (const [name, child] of children) entries.push([name, places.get(child) as Place]);
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

function encodeEntries(entries: readonly [name: string, place: Place][], sizeBytes: number): Buffer {
  const block = Buffer.alloc(sizeBytes);
  let nameAt = entries.length * DIRENT_BYTES;
  for (const [index, [name, place]] of entries.entries()) {
    const at = index * DIRENT_BYTES;
    block.writeUInt32LE(nidOf(place), at);
    block.writeUInt16LE(nameAt, at + 8);
    block[at + 10] = ENTRY_TYPES.get(place.inode.mode & S_IFMT) ?? 0;
    nameAt += block.write(name, nameAt, 'latin1');
  }
  return block;
}

const NO_BYTES = Buffer.alloc(0);

const alignUp = (at: number, to: number): number => Math.ceil(at / to) * to;

const blocksOf = (sizeBytes: number): number => Math.ceil(sizeBytes / BLOCK_BYTES);

/** Nanoseconds count upward from the second, also before 1970. */
function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by < 0n ? quotient - 1n : quotient;
}
