import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@slipway/base';
import { syscalls } from '@slipway/store';
import type { Container } from '../container.ts';

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

/**
 * `/dev/shm` of a container whose IPC namespace others may join: the one mount that Slipway makes in the host's own
 * mount namespace, because there is no other place from which two containers can have it.
 */
export async function mountSharedMemory(container: Container): Promise<void> {
  const path = sharedMemoryPath(container);
  await mkdir(path, { recursive: true });
  unmountSharedMemory(container);
  const size = container.definition.hostConfig.ShmSize ?? 0;
  syscalls.mount('shm', path, 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, `mode=1777,size=${size}`);
}

/** Takes it away. Who has joined keeps it to its own end. Does nothing when there is none. */
export function unmountSharedMemory(container: Container): void {
  if (!sharesMemory(container)) return;
  try {
    syscalls.umount2(sharedMemoryPath(container), syscalls.MNT_DETACH);
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOENT')) throw error;
  }
}

export const sharesMemory = ({ definition }: Container): boolean =>
  definition.hostConfig.IpcMode === 'shareable';

export const sharedMemoryPath = ({ folder }: Container): string => join(folder, 'shm');
