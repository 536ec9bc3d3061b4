import { type BigIntStats, constants, fstatSync, readdirSync, readSync } from 'node:fs';
import { isErrno } from '@slipway/base';
import {
  AT_FDCWD,
  close,
  lgetxattr,
  llistxattr,
  majorOf,
  minorOf,
  O_PATH,
  openat,
  readlinkFd,
} from '../syscalls.ts';
import { paddingOf, type TarEntryType } from './entry.ts';
import { formatTarHeader, TAR_END, tarPadding } from './writer.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const READ_BYTES = 256 << 10;
const OPAQUE_XATTR = 'trusted.overlay.opaque';

export interface PackOptions {
  /** The root's own name in the archive; by default it has none and its entries stand at the top. */
  readonly name?: string | undefined;
  /** `overlay`: char devices 0:0 and opaque folders of an overlayfs upper become `.wh.` entries. */
  readonly whiteouts?: 'overlay' | 'none' | undefined;
  /** Names in the archive that are left out, with what is below them. */
  readonly excludes?: ReadonlySet<string> | undefined;
  /** Nothing is said to have changed later than this. */
  readonly latestNs?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A file or folder as an archive: owners, modes, times, attributes, devices, hard links. Sockets are left out, as is what
 * vanishes meanwhile. Each step down is by descriptor and follows no link, so that a tree that changes while it is read
 * cannot lead out of itself.
 */
export async function* packDirectory(rootPath: string, options: PackOptions = {}): AsyncGenerator<Buffer> {
  const root = openat(AT_FDCWD, rootPath, O_PATH);
  try {
    yield* packNode(root, Buffer.from(options.name ?? ''), { options, links: new Map() });
  } finally {
    close(root);
  }
  yield TAR_END;
}

interface PackState {
  readonly options: PackOptions;
  /** Names of the inodes that have more than one. */
  readonly links: Map<string, Buffer>;
}

/** `fd` is open with O_PATH, on the link itself when the node is one. */
async function* packNode(fd: number, name: Buffer, state: PackState): AsyncGenerator<Buffer> {
  state.options.signal?.throwIfAborted();
  const stats = fstatSync(fd, { bigint: true });
  const type = typeOf(stats);
  if (type === undefined) return;
  const isWhiteout =
    type === 'character-device' && stats.rdev === 0n && state.options.whiteouts === 'overlay';
  if (isWhiteout) {
    yield formatTarHeader({ name: prefixBase(name, '.wh.'), mode: 0 });
    return;
  }
  const inode = `${stats.dev}:${stats.ino}`;
  const earlier = state.links.get(inode);
  const { latestNs } = state.options;
  const common = {
    name,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    mtimeNs: latestNs !== undefined && stats.mtimeNs > latestNs ? latestNs : stats.mtimeNs,
  };
  if (earlier !== undefined) {
    yield formatTarHeader({ ...common, type: 'hardlink', linkName: earlier });
    return;
  }
  if (stats.nlink > 1n && type !== 'directory') state.links.set(inode, name);
  const path = `/proc/self/fd/${fd}`;
  const entry = {
    ...common,
    type,
    linkName: type === 'symlink' ? readlinkFd(fd) : undefined,
    sizeBytes: type === 'file' ? Number(stats.size) : 0,
    deviceMajor: type.endsWith('device') ? majorOf(stats.rdev) : 0,
    deviceMinor: type.endsWith('device') ? minorOf(stats.rdev) : 0,
    // A link's own attributes cannot be read through /proc, and only security ones exist.
    xattrs: type === 'symlink' ? new Map<string, Buffer>() : readXattrs(path),
  };
  if (type === 'directory') {
    const isNamed = name.length > 0;
    if (isNamed) yield formatTarHeader(entry);
    yield* packChildren(fd, name, state);
  } else if (type === 'file') {
    yield* packFile(path, formatTarHeader(entry), entry.sizeBytes);
  } else {
    yield formatTarHeader(entry);
  }
}

async function* packChildren(fd: number, name: Buffer, state: PackState): AsyncGenerator<Buffer> {
  const prefix = name.length === 0 ? name : Buffer.concat([name, SLASH]);
  const path = `/proc/self/fd/${fd}/.`;
  if (state.options.whiteouts === 'overlay' && lgetxattr(path, OPAQUE_XATTR)?.toString() === 'y') {
    yield formatTarHeader({ name: Buffer.concat([prefix, Buffer.from('.wh..wh..opq')]), mode: 0 });
  }
  const names = readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare);
  for (const base of names) {
    let child: number;
    try {
      child = openat(fd, base, O_PATH | O_NOFOLLOW);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue;
      throw error;
    }
    try {
      const childName = Buffer.concat([prefix, base]);
      if (state.options.excludes?.has(childName.toString()) !== true)
        yield* packNode(child, childName, state);
    } finally {
      close(child);
    }
  }
}

/** The header, then exactly as many bytes as it says: a file that grows is cut, one that shrinks is filled with zeros. */
async function* packFile(path: string, header: Buffer, sizeBytes: number): AsyncGenerator<Buffer> {
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
  try {
    yield header;
    for (let position = 0; position < sizeBytes; ) {
      const chunk = Buffer.alloc(Math.min(READ_BYTES, sizeBytes - position));
      readSync(fd, chunk, 0, chunk.length, position);
      position += chunk.length;
      yield chunk;
    }
  } finally {
    close(fd);
  }
  if (paddingOf(sizeBytes) > 0) yield tarPadding(sizeBytes);
}

function readXattrs(path: string): Map<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  // "/." would fail on a file; the path of a descriptor itself is a link, which only the l-less calls follow.
  for (const name of llistxattr(path, 'follow')) {
    if (name.startsWith('trusted.overlay.') || name === 'security.selinux') continue;
    const value = lgetxattr(path, name, 'follow');
    if (value !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}

function typeOf(stats: BigIntStats): TarEntryType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'character-device';
  if (stats.isBlockDevice()) return 'block-device';
  return stats.isFIFO() ? 'fifo' : undefined;
}

const SLASH = Buffer.from('/');

function prefixBase(name: Buffer, prefix: string): Buffer {
  const at = name.lastIndexOf(0x2f) + 1;
  return Buffer.concat([name.subarray(0, at), Buffer.from(prefix), name.subarray(at)]);
}
