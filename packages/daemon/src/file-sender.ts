import type { OpenFileSender } from '@slipway/http';
import koffi from 'koffi';

const libc = koffi.load(null);

const F_DUPFD_CLOEXEC = 1030;

const fcntl = libc.func('int fcntl(int fd, int command, int argument)');
const close = libc.func('int close(int fd)');
const sendfile = libc.func('int64_t sendfile(int out, int in, _Inout_ int64_t *offset, size_t count)');

/**
 * sendfile(2) in a thread of the pool, where reading the file may wait for the disk. The descriptor is a duplicate: the
 * number of one that Node closes meanwhile could be another client's at once. Undefined when there is no descriptor left.
 */
export const openFileSender: OpenFileSender = (socketFd) => {
  const fd = fcntl(socketFd, F_DUPFD_CLOEXEC, 0) as number;
  if (fd < 0) return undefined;
  let running: Promise<unknown> = Promise.resolve();
  return {
    send: (fileFd, offset, length) => {
      const sent = sendOnce(fd, fileFd, offset, length);
      running = sent.catch(() => {});
      return sent;
    },
    [Symbol.dispose]: () => void running.then(() => close(fd)),
  };
};

function sendOnce(fd: number, fileFd: number, offset: number, length: number): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  sendfile.async(fd, fileFd, [offset], length, (failure: unknown, result: number | bigint) => {
    // Another thread's errno cannot be asked for; whoever writes to the socket next is told.
    if (failure === null) resolve(result < 0 ? undefined : Number(result));
    else reject(failure);
  });
  return promise;
}
