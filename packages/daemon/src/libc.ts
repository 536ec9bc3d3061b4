import koffi from 'koffi';

/**
 * The system calls that the daemon itself needs and Node lacks: an exclusive lock that the kernel drops with the
 * process, a datagram to the service manager, and giving memory back.
 */
const libc = koffi.load(null);

const LOCK_EX = 2;
const LOCK_NB = 4;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MADV_DONTNEED = 4;
const M_MMAP_THRESHOLD = -3;
const LARGE_BYTES = 4 * 1024 * 1024;

const flock = libc.func('int flock(int fd, int operation)');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendto = libc.func(
  'int64_t sendto(int fd, const uint8_t *bytes, size_t length, int flags, const uint8_t *address, uint32_t addressLength)',
);
const madvise = libc.func('int madvise(uintptr_t address, size_t length, int advice)');
const mallocTrim = libc.func('int malloc_trim(size_t padding)');
const mallopt = libc.func('int mallopt(int parameter, int value)');
const close = libc.func('int close(int fd)');

/** Locks the open file for this process alone; false when another holds it. */
export const lockFile = (fd: number): boolean => flock(fd, LOCK_EX | LOCK_NB) === 0;

/** Sends one datagram to a Unix socket; a path that begins with `@` is in the abstract namespace. False when it failed. */
export function sendDatagram(socketPath: string, text: string): boolean {
  const path = Buffer.from(socketPath.replace(/^@/, '\0'));
  const address = Buffer.concat([Buffer.from(Uint16Array.of(AF_UNIX).buffer), path]);
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
  if (fd < 0) return false;
  const bytes = Buffer.from(text);
  const sentBytes = Number(sendto(fd, bytes, bytes.byteLength, 0, address, address.byteLength));
  close(fd);
  return sentBytes === bytes.byteLength;
}

/** Takes unmodified pages of a file out of this process; what is needed again comes back from the page cache. */
export const forgetPages = (address: bigint, sizeBytes: number): boolean =>
  madvise(address, sizeBytes, MADV_DONTNEED) === 0;

/** Gives what was freed back to the system. */
export const trimHeap = (): void => void mallocTrim(0);

/**
 * Large blocks go back to the system when they are freed. By itself glibc keeps them once the first was freed, in each
 * thread: 64 MB after four password hashes.
 */
export const returnLargeBlocks = (): void => void mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);

const exit = libc.func('void _exit(int code)');

/**
 * Ends the process at once. Node's own exit joins its worker threads, which can wait for ever for a collection that the
 * exiting main thread no longer does (Node 26.10).
 */
export function exitNow(code: number): never {
  exit(code);
  throw new Error('unreachable');
}
