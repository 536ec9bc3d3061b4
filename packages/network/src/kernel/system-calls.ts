import { getSystemErrorName } from 'node:util';
import { SlipwayError } from '@slipway/base';
import koffi from 'koffi';
import { decode, type LinkRecord } from './netlink.ts';

const libc = koffi.load('libc.so.6');
const calls = {
  unshare: libc.func('int unshare(int flags)'),
  setns: libc.func('int setns(int fd, int type)'),
  mount: libc.func(
    'int mount(const char *source, const char *target, const char *type, ulong flags, const void *data)',
  ),
  umount2: libc.func('int umount2(const char *target, int flags)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  send: libc.func('intptr_t send(int fd, const void *buffer, uintptr_t length, int flags)'),
  recv: libc.func('intptr_t recv(int fd, _Out_ void *buffer, uintptr_t length, int flags)'),
  close: libc.func('int close(int fd)'),
  setsockopt: libc.func(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  ),
  bind: libc.func('int bind(int fd, const void *address, unsigned int length)'),
  listen: libc.func('int listen(int fd, int backlog)'),
  connect: libc.func('int connect(int fd, const void *address, unsigned int length)'),
};

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const AF_INET = 2;
const SOCK_STREAM_CLOEXEC_NONBLOCK = 1 | 0o2000000 | 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const LISTEN_BACKLOG = 128;
const EINTR = 4;
const EINPROGRESS = 115;

/** The name of an errno, e.g. `EEXIST`. */
export const errnoName = (errno: number): string => getSystemErrorName(-errno);

function check(result: number, what: string): number {
  if (result >= 0) return result;
  const errno = koffi.errno();
  throw new SlipwayError('Internal', `${what}: ${errnoName(errno)}`, { reason: errnoName(errno) });
}

/** Moves the calling thread into a new network namespace. */
export const unshareNetwork = (): void => {
  check(calls.unshare(CLONE_NEWNET), 'cannot make a network namespace');
};

/** Moves the calling thread into the network namespace behind `fd`. */
export const enterNetwork = (fd: number): void => {
  check(calls.setns(fd, CLONE_NEWNET), 'cannot enter a network namespace');
};

export const bindMount = (source: string, target: string): void => {
  check(calls.mount(source, target, null, MS_BIND, null), `cannot mount ${source} on ${target}`);
};

/** Mounts that are made below this one are seen in the mount namespaces that were copied from ours. */
export const shareMount = (target: string): void => {
  check(calls.mount(null, target, null, MS_SHARED, null), `cannot share the mount ${target}`);
};

/** Takes the mount away; nothing when there is none. */
export const unmount = (target: string): void => {
  if (calls.umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) >= 0) return;
  const name = errnoName(koffi.errno());
  if (name === 'EINVAL' || name === 'ENOENT') return;
  throw new SlipwayError('Internal', `cannot unmount ${target}: ${name}`, { reason: name });
};

/** A TCP socket that listens on a port of the loopback address, in the namespace that the thread is in. */
export function listenOnLoopback(port: number): number {
  return withSocket((fd) => {
    const one = Buffer.from([1, 0, 0, 0]);
    check(calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length), 'cannot reuse an address');
    const address = loopback(port);
    check(calls.bind(fd, address, address.length), `cannot bind to 127.0.0.1:${port}`);
    check(calls.listen(fd, LISTEN_BACKLOG), `cannot listen on 127.0.0.1:${port}`);
  });
}

/** A TCP socket that is connecting to a port of the loopback address; whether that succeeds is seen by using it. */
export function connectToLoopback(port: number): number {
  return withSocket((fd) => {
    const address = loopback(port);
    const result = calls.connect(fd, address, address.length);
    if (result < 0 && koffi.errno() !== EINPROGRESS) check(result, `cannot connect to 127.0.0.1:${port}`);
  });
}

function withSocket(use: (fd: number) => void): number {
  const fd = check(calls.socket(AF_INET, SOCK_STREAM_CLOEXEC_NONBLOCK, 0), 'cannot open a socket');
  try {
    use(fd);
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** A `sockaddr_in`. @see ip(7) */
function loopback(port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  return address;
}

/** A request to the kernel that failed, with the errno's name as `reason`. */
export interface NetlinkFailure {
  /** Which of the messages sent together. */
  readonly index: number;
  readonly errno: string;
}

/** A netlink socket, of rtnetlink unless another protocol is named, in the namespace that the thread was in when it was made. */
export class NetlinkSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(64 * 1024);

  constructor(protocol = 0) {
    this.#fd = check(calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol), 'cannot open a netlink socket');
  }

  /** Sends the messages at once; the failures, none when all were done. */
  request(messages: readonly Buffer[]): NetlinkFailure[] {
    this.#send(Buffer.concat(messages));
    const failures: NetlinkFailure[] = [];
    for (let answered = 0; answered < messages.length; ) {
      for (const errno of decode(this.#receive()).acks) {
        if (errno !== 0) failures.push({ index: answered, errno: errnoName(errno) });
        answered++;
      }
    }
    return failures;
  }

  /** @throws Internal with `what` and the errno of the first that failed. */
  require(messages: readonly Buffer[], what: string): void {
    const [failure] = this.request(messages);
    if (failure === undefined) return;
    throw new SlipwayError('Internal', `${what}: ${failure.errno} (step ${failure.index + 1})`, {
      reason: failure.errno,
    });
  }

  dump(message: Buffer): LinkRecord[] {
    this.#send(message);
    const links: LinkRecord[] = [];
    for (;;) {
      const answers = decode(this.#receive());
      links.push(...answers.links);
      if (answers.done || answers.acks.length > 0) return links;
    }
  }

  [Symbol.dispose](): void {
    calls.close(this.#fd);
  }

  #send(bytes: Buffer): void {
    check(calls.send(this.#fd, bytes, bytes.length, 0), 'cannot write to netlink');
  }

  #receive(): Buffer {
    for (;;) {
      const length = calls.recv(this.#fd, this.#buffer, this.#buffer.length, 0) as number;
      if (length < 0 && koffi.errno() === EINTR) continue;
      return this.#buffer.subarray(0, check(length, 'cannot read from netlink'));
    }
  }
}
