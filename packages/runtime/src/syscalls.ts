/** The one system call that Node lacks and this package needs. */
import { constants } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const OPEN_HOW_BYTES = 24;
const O_CLOEXEC = 0o2000000;

const libc = koffi.load('libc.so.6');
const openat2 = libc.func('long syscall(long number, int dirfd, str path, const void *how, size_t size)');

/**
 * Opens `path` as a process with that folder as its root would, and returns the descriptor: the kernel keeps every `..`,
 * absolute link and rename meanwhile inside.
 * @throws Node's own kind of error, e.g. `ENOENT`
 * @see https://man7.org/linux/man-pages/man2/openat2.2.html
 */
export function openInRoot(rootFd: number, path: string, flags: number = constants.O_RDONLY): number {
  const how = Buffer.alloc(OPEN_HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
  const fd = Number(openat2(SYS_OPENAT2, rootFd, path, how, OPEN_HOW_BYTES));
  if (fd >= 0) return fd;
  const errno = koffi.errno();
  const code = getSystemErrorName(-errno);
  throw Object.assign(new Error(`${code}: openat2 '${path}'`), {
    code,
    errno: -errno,
    syscall: 'openat2',
    path,
  });
}
