/**
 * The system calls that Node lacks, by descriptor and name so that no path is walked twice. The only place of this
 * package that knows koffi. Names are bytes, for that is what they are in Linux.
 */
import { constants } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { SlipwayError } from '@slipway/base/errors';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

const calls = {
  syscall: libc.func('long syscall(long number, int dirfd, const void *path, const void *how, size_t size)'),
  openat: libc.func('int openat(int dirfd, const void *path, int flags, uint mode)'),
  close: libc.func('int close(int fd)'),
  mkdirat: libc.func('int mkdirat(int dirfd, const void *path, uint mode)'),
  mknodat: libc.func('int mknodat(int dirfd, const void *path, uint mode, uint64_t device)'),
  symlinkat: libc.func('int symlinkat(const void *target, int dirfd, const void *path)'),
  linkat: libc.func(
    'int linkat(int olddirfd, const void *oldpath, int newdirfd, const void *newpath, int flags)',
  ),
  unlinkat: libc.func('int unlinkat(int dirfd, const void *path, int flags)'),
  fchownat: libc.func('int fchownat(int dirfd, const void *path, uint uid, uint gid, int flags)'),
  fchmodat: libc.func('int fchmodat(int dirfd, const void *path, uint mode, int flags)'),
  utimensat: libc.func('int utimensat(int dirfd, const void *path, const void *times, int flags)'),
  futimens: libc.func('int futimens(int fd, const void *times)'),
  lsetxattr: libc.func(
    'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  ),
  lgetxattr: libc.func('long lgetxattr(const void *path, const void *name, void *value, size_t size)'),
  llistxattr: libc.func('long llistxattr(const void *path, void *list, size_t size)'),
  getxattr: libc.func('long getxattr(const void *path, const void *name, void *value, size_t size)'),
  listxattr: libc.func('long listxattr(const void *path, void *list, size_t size)'),
  setxattr: libc.func(
    'int setxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  ),
  readlinkat: libc.func('long readlinkat(int dirfd, const void *path, void *target, size_t size)'),
  lremovexattr: libc.func('int lremovexattr(const void *path, const void *name)'),
  mount: libc.func(
    'int mount(const void *source, const void *target, const void *type, unsigned long flags, const void *options)',
  ),
  fsopen: libc.func('long syscall(long number, const void *type, uint flags)'),
  fsconfig: libc.func(
    'long syscall(long number, int fd, uint command, const void *key, const void *value, int aux)',
  ),
  fsmount: libc.func('long syscall(long number, int fd, uint flags, uint attributes)'),
  umount2: libc.func('int umount2(const void *path, int flags)'),
  syncFileRange: libc.func('int sync_file_range(int fd, int64_t offset, int64_t length, uint flags)'),
  syncfs: libc.func('int syncfs(int fd)'),
  ioctl: libc.func('int ioctl(int fd, ulong request, void *argument)'),
} as const;

const SYS_FSOPEN = 430;
const SYS_FSCONFIG = 431;
const SYS_FSMOUNT = 432;
const SYS_OPENAT2 = 437;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;
/** With a folder: makes a file in it that has no name. */
export const O_TMPFILE = 0o20200000;
/** No mount magic: `/proc/self/root` and its like are not followed. */
export const RESOLVE_NO_MAGICLINKS = 0x02;
/** The walk may not leave the folder it starts in: not by `..`, an absolute path, or a link with either. */
export const RESOLVE_BENEATH = 0x08;
/** The folder the walk starts in is `/`, as after a chroot. */
export const RESOLVE_IN_ROOT = 0x10;
export const MNT_DETACH = 2;

type Name = Buffer | string;

/** A name as C wants it, ended by NUL. */
const cString = (name: Name): Buffer =>
  typeof name === 'string' ? Buffer.from(`${name}\0`) : Buffer.concat([name, NUL]);
const NUL = Buffer.alloc(1);

/** Turns a failed call into Node's kind of error. */
function check(result: number, syscall: string, name?: Name): number {
  if (result >= 0) return result;
  const errno = koffi.errno();
  const code = getSystemErrorName(-errno);
  const path = name === undefined ? undefined : name.toString();
  const error = new Error(`${code}: ${syscall}${path === undefined ? '' : ` '${path}'`}`);
  throw Object.assign(error, { code, errno: -errno, syscall, ...(path === undefined ? {} : { path }) });
}

/** @see openat2(2) */
export function openat2(dirFd: number, path: Name, flags: number, resolve: number, mode = 0): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  for (let attempt = 0; ; attempt++) {
    const result = calls.syscall(SYS_OPENAT2, dirFd, cString(path), how, how.length) as number;
    // EAGAIN: something in the tree was renamed during the walk, which the kernel could then not prove to be inside.
    if (result < 0 && attempt < 100 && koffi.errno() === koffi.os.errno.EAGAIN) continue;
    return check(result, 'openat2', path);
  }
}

/**
 * Opens `path` as a process would whose `/` is `rootPath`: links are followed, and neither they nor `..` lead out of the
 * root. The caller closes the descriptor.
 */
export function openInRoot(rootPath: string, path: Name, flags: number, mode = 0): number {
  const root = openat(AT_FDCWD, rootPath, O_PATH | constants.O_DIRECTORY);
  try {
    const relative = path.length === 0 ? '/' : path;
    return openat2(root, relative, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, mode);
  } finally {
    close(root);
  }
}

export const openat = (dirFd: number, path: Name, flags: number, mode = 0): number =>
  check(calls.openat(dirFd, cString(path), flags | O_CLOEXEC, mode), 'openat', path);

export const close = (fd: number): void => void check(calls.close(fd), 'close');

export const mkdirat = (dirFd: number, path: Name, mode: number): void =>
  void check(calls.mkdirat(dirFd, cString(path), mode), 'mkdirat', path);

/** @param mode the kind of node and its permissions, `S_IFCHR | 0o600` */
export const mknodat = (dirFd: number, path: Name, mode: number, major: number, minor: number): void =>
  void check(calls.mknodat(dirFd, cString(path), mode, makeDevice(major, minor)), 'mknodat', path);

export const symlinkat = (target: Name, dirFd: number, path: Name): void =>
  void check(calls.symlinkat(cString(target), dirFd, cString(path)), 'symlinkat', path);

/** Does not follow a link at `oldPath`. */
export const linkat = (oldDirFd: number, oldPath: Name, newDirFd: number, newPath: Name): void =>
  void check(calls.linkat(oldDirFd, cString(oldPath), newDirFd, cString(newPath), 0), 'linkat', newPath);

/** Gives an open file that has a name a second one. */
export function linkFd(fd: number, path: Name): void {
  const source = cString(`/proc/self/fd/${fd}`);
  check(calls.linkat(AT_FDCWD, source, AT_FDCWD, cString(path), AT_SYMLINK_FOLLOW), 'linkat', path);
}

export const unlinkat = (dirFd: number, path: Name, flags = 0): void =>
  void check(calls.unlinkat(dirFd, cString(path), flags), 'unlinkat', path);

/** Does not follow a link at `path`. */
export const fchownat = (dirFd: number, path: Name, uid: number, gid: number): void =>
  void check(calls.fchownat(dirFd, cString(path), uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', path);

/** Follows a link at `path`: only for names that are none. */
export const fchmodat = (dirFd: number, path: Name, mode: number): void =>
  void check(calls.fchmodat(dirFd, cString(path), mode, 0), 'fchmodat', path);

/** Sets both times, in nanoseconds since the epoch, without following a link. */
export const utimensat = (dirFd: number, path: Name, atimeNs: bigint, mtimeNs: bigint): void =>
  void check(
    calls.utimensat(dirFd, cString(path), timespecs(atimeNs, mtimeNs), AT_SYMLINK_NOFOLLOW),
    'utimensat',
    path,
  );

/** Sets both times of an open file, in nanoseconds since the epoch. */
export const futimens = (fd: number, atimeNs: bigint, mtimeNs: bigint): void =>
  void check(calls.futimens(fd, timespecs(atimeNs, mtimeNs)), 'futimens');

/** The one buffer for a call's times: calls are synchronous. */
const TIMES = new BigInt64Array(4);

function timespecs(atimeNs: bigint, mtimeNs: bigint): BigInt64Array {
  writeTimespec(2, mtimeNs);
  if (atimeNs === mtimeNs) TIMES.copyWithin(0, 2);
  else writeTimespec(0, atimeNs);
  return TIMES;
}

function writeTimespec(index: number, ns: bigint): void {
  const seconds = secondsOf(ns);
  TIMES[index] = seconds;
  TIMES[index + 1] = ns - seconds * NS_PER_SECOND;
}

/** The whole seconds of a time. Its nanoseconds count upward from there, also before 1970. */
export function secondsOf(ns: bigint): bigint {
  const seconds = ns / NS_PER_SECOND;
  return seconds * NS_PER_SECOND > ns ? seconds - 1n : seconds;
}

export const NS_PER_SECOND = 1_000_000_000n;

/** Sets an attribute; `follow` follows a link at `path`, as one of `/proc/self/fd` is. */
export function lsetxattr(path: Name, name: Name, value: Buffer, links: 'keep' | 'follow' = 'keep'): void {
  const call = links === 'follow' ? calls.setxattr : calls.lsetxattr;
  check(call(cString(path), cString(name), value, value.length, 0), 'setxattr', name);
}

/** The attribute's value; undefined when there is none, or the file system has no attributes. */
export function lgetxattr(path: Name, name: Name, links: 'keep' | 'follow' = 'keep'): Buffer | undefined {
  const call = links === 'follow' ? calls.getxattr : calls.lgetxattr;
  return readSized((buffer) => call(cString(path), cString(name), buffer, buffer.length), 'getxattr');
}

/** The names of a file's attributes. */
export function llistxattr(path: Name, links: 'keep' | 'follow' = 'keep'): string[] {
  const call = links === 'follow' ? calls.listxattr : calls.llistxattr;
  const list = readSized((buffer) => call(cString(path), buffer, buffer.length), 'listxattr');
  return list === undefined ? [] : list.toString().split('\0').slice(0, -1);
}

/** Where the link leads that `fd` (O_PATH and O_NOFOLLOW) is open on. */
export function readlinkFd(fd: number): Buffer {
  const target = Buffer.alloc(4096);
  return target.subarray(0, check(calls.readlinkat(fd, NUL, target, target.length), 'readlinkat'));
}

export const lremovexattr = (path: Name, name: Name): void =>
  void check(calls.lremovexattr(cString(path), cString(name)), 'lremovexattr', name);

/** @see mount(2) */
export const mount = (source: Name, target: Name, type: string, flags: number, options: string): void =>
  void check(
    calls.mount(cString(source), cString(target), cString(type), flags, cString(options)),
    'mount',
    target,
  );

const FSOPEN_CLOEXEC = 1;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOUNT_ATTR_RDONLY = 1;
const MOUNT_ATTR_NOSUID = 2;
const MOUNT_ATTR_NODEV = 4;

/**
 * A file system that is mounted, read-only, where nobody sees it: as the descriptor that is returned, and gone when that is
 * closed. An option's value may hold any byte but NUL.
 * @see https://docs.kernel.org/filesystems/mount_api.html
 */
export function mountDetached(type: string, options: Readonly<Record<string, string>>): number {
  const context = check(calls.fsopen(SYS_FSOPEN, cString(type), FSOPEN_CLOEXEC) as number, 'fsopen', type);
  try {
    const configure = (command: number, key: Buffer | null, value: Buffer | null) =>
      calls.fsconfig(SYS_FSCONFIG, context, command, key, value, 0) as number;
    for (const [key, value] of Object.entries(options)) {
      check(configure(FSCONFIG_SET_STRING, cString(key), cString(value)), 'fsconfig', `${key}=${value}`);
    }
    check(configure(FSCONFIG_CMD_CREATE, null, null), 'fsconfig', type);
    const attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    return check(calls.fsmount(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, attributes) as number, 'fsmount', type);
  } finally {
    close(context);
  }
}

/** @see umount2(2) */
export const umount2 = (path: Name, flags = 0): void =>
  void check(calls.umount2(cString(path), flags), 'umount2', path);

const SYNC_FILE_RANGE_WRITE = 2;

/**
 * Begins to write a part of an open file to the disk, off this thread, so that an fsync later finds less to do. It promises
 * nothing: where it cannot, it does nothing. The descriptor must stay open until it resolves.
 * @see sync_file_range(2)
 */
export function startWriteback(fd: number, offset: number, lengthBytes: number): Promise<void> {
  const done = Promise.withResolvers<void>();
  calls.syncFileRange.async(fd, offset, lengthBytes, SYNC_FILE_RANGE_WRITE, () => done.resolve());
  return done.promise;
}

/** As `startWriteback`, in this thread. */
export const startWritebackSync = (fd: number, offset: number, lengthBytes: number): void =>
  void calls.syncFileRange(fd, offset, lengthBytes, SYNC_FILE_RANGE_WRITE);

/**
 * Brings all that was written to the file system of an open file to the disk, off this thread: for many files at once, where
 * an fsync of each takes far longer.
 * @throws DataLoss when the disk fails
 * @see syncfs(2)
 */
export async function syncFileSystem(fd: number): Promise<void> {
  const done = Promise.withResolvers<number>();
  calls.syncfs.async(fd, (error: unknown, result: number) =>
    error == null ? done.resolve(result) : done.reject(error),
  );
  if ((await done.promise) !== 0) {
    throw new SlipwayError(
      'DataLoss',
      'the disk failed while files were brought to it: see the kernel’s log',
    );
  }
}

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x20000;

/**
 * Tells the file system that the folders in this one have nothing to do with each other (`chattr +T`), so that it puts
 * each into a region of its own. Does nothing on file systems that have no such hint.
 */
export function spreadChildren(path: string): void {
  const fd = openat(AT_FDCWD, path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const flags = Buffer.alloc(8);
    if (calls.ioctl(fd, FS_IOC_GETFLAGS, flags) !== 0) return;
    flags.writeUInt32LE((flags.readUInt32LE() | FS_TOPDIR_FL) >>> 0);
    calls.ioctl(fd, FS_IOC_SETFLAGS, flags);
  } finally {
    close(fd);
  }
}

function readSized(read: (buffer: Buffer) => number, syscall: string): Buffer | undefined {
  for (let sizeBytes = 256; ; sizeBytes = 65_536) {
    const buffer = Buffer.alloc(sizeBytes);
    const length = read(buffer);
    if (length >= 0) return buffer.subarray(0, length);
    const { errno } = koffi.os;
    const failure = koffi.errno();
    if (failure === errno.ENODATA || failure === errno.EOPNOTSUPP || failure === errno.ENOTSUP)
      return undefined;
    if (failure !== errno.ERANGE || sizeBytes > 256) check(-1, syscall);
  }
}

/** @see makedev(3) */
export function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
  );
}

export const majorOf = (device: bigint): number =>
  Number(((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn));

export const minorOf = (device: bigint): number => Number(((device >> 12n) & 0xffffff00n) | (device & 0xffn));
