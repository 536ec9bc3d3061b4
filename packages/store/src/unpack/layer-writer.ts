import { constants, fchmodSync, fchownSync, fstatSync, ftruncateSync, rmSync, writeSync } from 'node:fs';
import { isErrno } from '@slipway/base';
import { wrapErrno } from '../errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  close,
  fchmodat,
  fchownat,
  futimens,
  linkat,
  lsetxattr,
  mkdirat,
  mknodat,
  O_PATH,
  openat,
  openat2,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  symlinkat,
  unlinkat,
  utimensat,
} from '../syscalls.ts';
import type { TarEntry } from '../tar/entry.ts';
import { printable, type TarSink } from '../tar/parser.ts';
import {
  cleanName,
  imageXattrs,
  isRefusal,
  OPAQUE,
  OPAQUE_XATTR,
  refused,
  WHITEOUT_PREFIX,
  whiteoutOf,
} from './layer-rules.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants;

const SETGID = 0o2000;
const WHITEOUT = Buffer.from(WHITEOUT_PREFIX);
const DOT = Buffer.from('.');
const CACHED_DIRECTORIES = 64;

export interface LayerWriterOptions {
  /** `overlay`: whiteouts become what overlayfs reads. `none`: the archive is a plain tree, `.wh.` names are names. */
  readonly whiteouts: 'overlay' | 'none';
}

interface OpenFile {
  readonly fd: number;
  readonly entry: TarEntry;
}

/**
 * Writes the entries of an archive below a folder, with everything they say of owners, modes, times and attributes.
 * The kernel resolves every name below the root (openat2, RESOLVE_BENEATH), so no link that the archive made can lead
 * out of it. One writer at a time for a folder.
 */
export class LayerWriter implements TarSink, Disposable {
  readonly #root: number;
  readonly #options: LayerWriterOptions;
  /** Open folders by name, last used last. */
  readonly #directories = new Map<string, number>();
  /** Folders' times by name, set last: what is put into a folder changes them. */
  readonly #times = new Map<string, { readonly entry: TarEntry; readonly inode: bigint }>();
  #file: OpenFile | undefined;
  #isStale = false;
  /** Whether what is made in some folder takes its group from there. */
  #inheritsGroup: boolean;
  #sizeBytes = 0;
  #inodes = 1;

  constructor(rootPath: string, options: LayerWriterOptions) {
    this.#root = openat(AT_FDCWD, rootPath, O_PATH | O_DIRECTORY);
    this.#options = options;
    this.#inheritsGroup = (fstatSync(this.#root).mode & SETGID) !== 0;
  }

  /** What was written so far. */
  get usage(): { sizeBytes: number; inodes: number } {
    return { sizeBytes: this.#sizeBytes, inodes: this.#inodes };
  }

  entry(entry: TarEntry): void {
    try {
      this.#write(entry);
    } catch (error) {
      throw wrapErrno(error, `cannot unpack "${printable(entry.name)}"`);
    }
  }

  data(chunk: Buffer, offset: number): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      for (let written = 0; written < chunk.length; ) {
        written += writeSync(file.fd, chunk, written, chunk.length - written, offset + written);
      }
    } catch (error) {
      throw wrapErrno(error, `cannot unpack "${printable(file.entry.name)}"`);
    }
  }

  endEntry(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { entry, fd } = file;
    try {
      if (entry.sparse !== undefined) ftruncateSync(fd, entry.sizeBytes);
      // The owner first: changing it takes away setuid and file capabilities.
      if (this.#isOwnedOtherwise(entry)) fchownSync(fd, entry.uid, entry.gid);
      fchmodSync(fd, entry.mode);
      if (entry.xattrs.size > 0) this.#setXattrs(`/proc/self/fd/${fd}`, entry, true);
      futimens(fd, entry.atimeNs ?? entry.mtimeNs, entry.mtimeNs);
    } catch (error) {
      throw wrapErrno(error, `cannot unpack "${printable(entry.name)}"`);
    } finally {
      close(fd);
    }
  }

  /** Sets the folders' times, deepest last named first. Call when the archive has ended. */
  finish(): void {
    this.#forgetDirectories();
    for (const [path, { entry, inode }] of [...this.#times].reverse()) {
      const name = Buffer.from(path, 'latin1');
      try {
        const { parent, base } = this.#locate(name, entry, false);
        if (inodeOf(parent, base) === inode) this.#setTimes(parent, base, entry);
      } catch (error) {
        // Where a folder was replaced since, its name and those below it may lead nowhere, or out.
        const isGone = isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP') || isRefusal(error);
        if (!isGone) throw wrapErrno(error, `cannot unpack "${printable(entry.name)}"`);
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) close(this.#file.fd);
    this.#file = undefined;
    this.#forgetDirectories();
    close(this.#root);
  }

  #write(entry: TarEntry): void {
    if (this.#isStale || this.#directories.size > CACHED_DIRECTORIES) this.#forgetDirectories();
    const name = cleanName(entry);
    if (name.length === 0) {
      this.#writeRoot(entry);
      return;
    }
    const { parent, base } = this.#locate(name, entry);
    if (this.#options.whiteouts === 'overlay' && startsWith(base, WHITEOUT)) {
      this.#writeWhiteout(parent, base, entry);
      return;
    }
    this.#create(entry, name, parent, base);
    if (entry.type === 'directory') this.#keepTimes(name.toString('latin1'), parent, base, entry);
  }

  #writeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw refused(entry, 'names the root and is not a folder');
    this.#setDirectory(this.#root, DOT, entry);
    this.#keepTimes('', this.#root, DOT, entry);
  }

  #keepTimes(path: string, parent: number, base: Buffer, entry: TarEntry): void {
    this.#times.set(path, { entry, inode: inodeOf(parent, base) });
  }

  #create(entry: TarEntry, name: Buffer, parent: number, base: Buffer): void {
    switch (entry.type) {
      case 'directory':
        this.#makeDirectory(entry, parent, base);
        return;
      case 'file':
        this.#inodes++;
        this.#sizeBytes += entry.sparse?.reduce((sum, { length }) => sum + length, 0) ?? entry.sizeBytes;
        this.#file = {
          fd: this.#replacing(parent, base, () =>
            openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600),
          ),
          entry,
        };
        return;
      case 'hardlink':
        this.#makeHardLink(entry, name, parent, base);
        return;
      case 'symlink':
        this.#inodes++;
        if (entry.linkName.length === 0) throw refused(entry, 'is a symlink to nothing');
        this.#replacing(parent, base, () => symlinkat(entry.linkName, parent, base));
        this.#finishNode(parent, base, entry);
        return;
      case 'character-device':
      case 'block-device':
      case 'fifo':
        this.#inodes++;
        this.#replacing(parent, base, () =>
          mknodat(
            parent,
            base,
            NODE_TYPES[entry.type as keyof typeof NODE_TYPES] | 0o600,
            entry.deviceMajor,
            entry.deviceMinor,
          ),
        );
        this.#finishNode(parent, base, entry);
        return;
      default:
        throw refused(entry, `has the unknown type "${String.fromCharCode(entry.typeFlag)}"`);
    }
  }

  #makeDirectory(entry: TarEntry, parent: number, base: Buffer): void {
    try {
      mkdirat(parent, base, 0o755);
      this.#inodes++;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      if (!isDirectory(parent, base)) {
        // A folder in the place of a whiteout must not let through what the whiteout hid.
        const wasWhiteout = this.#isWhiteout(parent, base);
        this.#remove(parent, base);
        mkdirat(parent, base, 0o755);
        if (wasWhiteout) lsetxattr(procPath(parent, base), OPAQUE_XATTR, OPAQUE);
      }
    }
    this.#setDirectory(parent, base, entry);
  }

  #setDirectory(parent: number, base: Buffer, entry: TarEntry): void {
    if ((entry.mode & SETGID) !== 0) this.#inheritsGroup = true;
    fchownat(parent, base, entry.uid, entry.gid);
    fchmodat(parent, base, entry.mode);
    if (entry.xattrs.size > 0) this.#setXattrs(procPath(parent, base), entry, true);
  }

  #makeHardLink(entry: TarEntry, name: Buffer, parent: number, base: Buffer): void {
    const targetName = cleanName({ ...entry, name: entry.linkName }, entry);
    if (targetName.length === 0) throw refused(entry, 'is a hard link to the root');
    if (targetName.equals(name)) return;
    const target = this.#locate(targetName, entry, false);
    const link = () => linkat(target.parent, target.base, parent, base);
    try {
      this.#replacing(parent, base, link);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'EPERM')) throw error;
      throw refused(
        entry,
        `is a hard link to "${printable(entry.linkName)}", which is not in the archive before it`,
        error,
      );
    }
  }

  #writeWhiteout(parent: number, base: Buffer, entry: TarEntry): void {
    const whiteout = whiteoutOf(base.toString('latin1'), entry);
    if (whiteout === undefined || whiteout === 'nothing') return;
    if (whiteout === 'opaque') {
      lsetxattr(procPath(parent, DOT), OPAQUE_XATTR, OPAQUE);
      return;
    }
    const hidden = Buffer.from(whiteout.hidden, 'latin1');
    try {
      mknodat(parent, hidden, S_IFCHR, 0, 0);
      this.#inodes++;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      // A whiteout hides what is below this layer, not what this layer itself brings.
      if (isDirectory(parent, hidden)) lsetxattr(procPath(parent, hidden), OPAQUE_XATTR, OPAQUE);
    }
  }

  #finishNode(parent: number, base: Buffer, entry: TarEntry): void {
    if (this.#isOwnedOtherwise(entry)) fchownat(parent, base, entry.uid, entry.gid);
    if (entry.type !== 'symlink') fchmodat(parent, base, entry.mode);
    if (entry.xattrs.size > 0) this.#setXattrs(procPath(parent, base), entry, false);
    this.#setTimes(parent, base, entry);
  }

  /** Whether what was just made belongs to somebody else than the entry says: to root, or to its folder's group. */
  #isOwnedOtherwise({ uid, gid }: TarEntry): boolean {
    return uid !== 0 || gid !== 0 || this.#inheritsGroup;
  }

  #setTimes(parent: number, base: Buffer, entry: TarEntry): void {
    utimensat(parent, base, entry.atimeNs ?? entry.mtimeNs, entry.mtimeNs);
  }

  #setXattrs(path: string | Buffer, entry: TarEntry, canHaveUserXattrs: boolean): void {
    for (const [name, value] of imageXattrs(entry)) {
      try {
        lsetxattr(path, name, value, typeof path === 'string' ? 'follow' : 'keep');
      } catch (error) {
        const isUnsupported = isErrno(error, 'ENOTSUP', 'EOPNOTSUPP');
        const isUserOnNode = isErrno(error, 'EPERM') && name.startsWith('user.') && !canHaveUserXattrs;
        if (!isUnsupported && !isUserOnNode) throw error;
      }
    }
  }

  /** Runs `make`, and once more without what stands in its place. */
  #replacing<T>(parent: number, base: Buffer, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    this.#remove(parent, base);
    return make();
  }

  #remove(parent: number, base: Buffer): void {
    try {
      unlinkat(parent, base);
      return;
    } catch (error) {
      if (!isErrno(error, 'EISDIR')) throw error;
    }
    try {
      unlinkat(parent, base, AT_REMOVEDIR);
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY')) throw error;
      rmSync(procPath(parent, base), { recursive: true, force: true });
    }
    // A descriptor may name a folder that is gone; the entry at work still uses some, so they close before the next.
    this.#isStale = true;
  }

  #isWhiteout(parent: number, base: Buffer): boolean {
    try {
      const fd = openat(parent, base, O_PATH | O_NOFOLLOW);
      try {
        const { mode, rdev } = fstatSync(fd);
        return (mode & constants.S_IFMT) === S_IFCHR && rdev === 0;
      } finally {
        close(fd);
      }
    } catch {
      return false;
    }
  }

  /** The open folder that `name` is in, made where the archive did not bring it, and the name within. */
  #locate(name: Buffer, entry: TarEntry, create = true): { parent: number; base: Buffer } {
    if (name.length === 0) return { parent: this.#root, base: DOT };
    const slash = name.lastIndexOf(0x2f);
    if (slash === -1) return { parent: this.#root, base: name };
    const parentName = name.subarray(0, slash);
    return {
      parent: this.#directory(parentName, entry, create),
      base: name.subarray(slash + 1),
    };
  }

  #directory(name: Buffer, entry: TarEntry, create: boolean): number {
    const key = name.toString('latin1');
    const cached = this.#directories.get(key);
    if (cached !== undefined) return cached;
    const fd = this.#openDirectory(name, entry, create);
    this.#directories.set(key, fd);
    return fd;
  }

  #openDirectory(name: Buffer, entry: TarEntry, create: boolean): number {
    const open = () =>
      openat2(this.#root, name, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    try {
      return open();
    } catch (error) {
      if (isErrno(error, 'EXDEV', 'ELOOP'))
        throw refused(entry, 'leads out of the root through a link', error);
      if (isErrno(error, 'ENOTDIR'))
        throw refused(entry, 'goes through something that is not a folder', error);
      if (!isErrno(error, 'ENOENT') || !create) throw error;
    }
    const { parent, base } = this.#locate(name, entry);
    try {
      mkdirat(parent, base, 0o755);
      fchmodat(parent, base, 0o755);
      this.#inodes++;
      this.#times.delete(name.toString('latin1'));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      // A link that leads nowhere; there is no folder to put the entry into.
      throw refused(entry, 'goes through a link that leads nowhere', error);
    }
    return open();
  }

  #forgetDirectories(): void {
    for (const fd of this.#directories.values()) close(fd);
    this.#directories.clear();
    this.#isStale = false;
  }
}

const NODE_TYPES = { 'character-device': S_IFCHR, 'block-device': S_IFBLK, fifo: S_IFIFO } as const;

const startsWith = (name: Buffer, prefix: Buffer): boolean =>
  name.length >= prefix.length && name.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;

const procPath = (parent: number, base: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), base]);

/** @throws ENOTDIR or ELOOP for what is no folder */
const openFolder = (parent: number, base: Buffer): number =>
  openat(parent, base, O_PATH | O_DIRECTORY | O_NOFOLLOW);

/** Of a folder. @throws as `openFolder` */
function inodeOf(parent: number, base: Buffer): bigint {
  const fd = openFolder(parent, base);
  try {
    return fstatSync(fd, { bigint: true }).ino;
  } finally {
    close(fd);
  }
}

function isDirectory(parent: number, base: Buffer): boolean {
  try {
    close(openFolder(parent, base));
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTDIR', 'ELOOP', 'ENOENT')) return false;
    throw error;
  }
}
