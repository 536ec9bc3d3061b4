import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, SlipwayError } from '@slipway/base';
import { lockFile } from './libc.ts';

/** The lock's file in a root; it holds the pid of the daemon that has it. */
const FILE = 'slipwayd.pid';

/**
 * Takes a root for this process alone. The kernel drops the lock with the process, however it ends, so there are no
 * stale ones; the file stays.
 * @throws Conflict naming the pid of the daemon that has it.
 */
export function lockRoot(root: HostPath, pid: number): Disposable {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const path = join(root, FILE);
  const fd = openSync(path, 'a+', 0o644);
  if (!lockFile(fd)) {
    const holder = readFileSync(path, 'utf8').trim();
    closeSync(fd);
    throw new SlipwayError(
      'Conflict',
      `another slipwayd (pid ${holder || 'unknown'}) uses ${root}; stop it, or give this one roots of its own (--data-root, --run-root)`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${pid}\n`);
  return { [Symbol.dispose]: () => closeSync(fd) };
}
