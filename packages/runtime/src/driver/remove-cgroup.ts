import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, isErrno } from '@slipway/base';
import { type CgroupHost, cgroupDirs } from './cgroup-host.ts';

const ATTEMPTS = 40;
const PAUSE_MS = 25;

/**
 * Ends what is left in a container's cgroup and takes it away under every controller: what a runtime that was killed in
 * the middle of a start leaves, of which it has no state to clean up by. A cgroup that cannot be removed stays.
 */
export async function removeCgroup(host: CgroupHost, cgroupsPath: string, clock: Clock): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const left = cgroupDirs(host, cgroupsPath).filter((folder) => !removeTree(folder));
    if (left.length === 0) return;
    await clock.sleep(PAUSE_MS);
  }
}

/** Whether it is gone; processes that were killed just now may hold it for a moment. */
function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
      kill(Number(pid));
    }
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
