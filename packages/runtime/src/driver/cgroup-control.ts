import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, SlipwayError } from '@slipway/base';
import type { MemoryPeak, TaskLimits } from '../task.ts';
import { type CgroupHost, cgroupDir } from './cgroup-host.ts';

/** How often, and how long at most, it is looked whether the kernel has stopped every process. */
const FREEZE_LOOK_MS = 1;
const FREEZE_PATIENCE_MS = 2_000;
/** On v1 a process that is just coming or changing its program can be missed for ever: then it is begun anew. */
const LOOKS_BEFORE_AGAIN = 20;

/**
 * Stops every process of a cgroup, or lets them go on; resolves when that is so.
 * @throws DeadlineExceeded when a process cannot be stopped, which is then given up
 * @see https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html
 */
export async function setFrozen(
  host: CgroupHost,
  cgroupsPath: string,
  frozen: boolean,
  clock: Clock,
): Promise<void> {
  const folder = cgroupDir(host, 'freezer', cgroupsPath);
  const [file, words, state] =
    host.version === 2
      ? ['cgroup.freeze', ['0', '1'] as const, () => /^frozen 1$/m.test(read(join(folder, 'cgroup.events')))]
      : [
          'freezer.state',
          ['THAWED', 'FROZEN'] as const,
          () => read(join(folder, 'freezer.state')).trim() === 'FROZEN',
        ];
  writeFileSync(join(folder, file), words[frozen ? 1 : 0]);
  if (!frozen) return;
  for (let looks = 1; !state(); looks++) {
    if (looks % LOOKS_BEFORE_AGAIN === 0) {
      writeFileSync(join(folder, file), words[0]);
      writeFileSync(join(folder, file), words[1]);
    }
    if (looks * FREEZE_LOOK_MS >= FREEZE_PATIENCE_MS) {
      writeFileSync(join(folder, file), words[0]);
      throw new SlipwayError('DeadlineExceeded', `a process of ${cgroupsPath} cannot be frozen`);
    }
    await clock.sleep(FREEZE_LOOK_MS);
  }
}

const read = (path: string): string => readFileSync(path, 'utf8');

/** Writes limits into the kernel. Controllers that the host does not have are passed over, as at a start. */
export function writeLimits(host: CgroupHost, cgroupsPath: string, { memoryBytes, cpu }: TaskLimits): void {
  const v2 = host.version === 2;
  if (memoryBytes !== undefined && host.controllers.has('memory')) {
    const folder = cgroupDir(host, 'memory', cgroupsPath);
    if (v2) {
      writeFileSync(join(folder, 'memory.max'), String(memoryBytes));
      if (existsSync(join(folder, 'memory.swap.max'))) writeFileSync(join(folder, 'memory.swap.max'), '0');
    } else {
      writeMemoryV1(folder, memoryBytes, host.swapLimit);
    }
  }
  if (cpu === undefined || !host.controllers.has('cpu')) return;
  const folder = cgroupDir(host, 'cpu', cgroupsPath);
  const [quota, period] = cpu === 'max' ? [v2 ? 'max' : '-1', 100_000] : [cpu.quotaUs, cpu.periodUs];
  // What was saved up may not be more than the quota, at any moment.
  const burst = join(folder, v2 ? 'cpu.max.burst' : 'cpu.cfs_burst_us');
  if (existsSync(burst)) writeFileSync(burst, '0');
  if (v2) writeFileSync(join(folder, 'cpu.max'), `${quota} ${period}`);
  else {
    writeFileSync(join(folder, 'cpu.cfs_quota_us'), '-1');
    writeFileSync(join(folder, 'cpu.cfs_period_us'), String(period));
    writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quota));
  }
  if (cpu !== 'max' && existsSync(burst)) writeFileSync(burst, String(cpu.quotaUs));
}

/** The limit with swap may never be below the one without. */
function writeMemoryV1(folder: string, bytes: number, swapLimit: boolean): void {
  const memory = join(folder, 'memory.limit_in_bytes');
  const both = join(folder, 'memory.memsw.limit_in_bytes');
  const isRaised = Number(read(memory)) < bytes;
  for (const path of isRaised ? [both, memory] : [memory, both]) {
    if (path === memory || swapLimit) writeFileSync(path, String(bytes));
  }
}

/** Of kernels that do not tell (v2 before 5.19): what is used at the moment. */
export function openMemoryPeak(host: CgroupHost, cgroupsPath: string): MemoryPeak {
  const folder = cgroupDir(host, 'memory', cgroupsPath);
  const names = host.version === 2 ? ['memory.peak', 'memory.current'] : ['memory.max_usage_in_bytes'];
  const path = names.map((name) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) return { readBytes: () => 0, reset: () => {}, [Symbol.dispose]: () => {} };
  let fd: number | undefined = openForReset(path);
  const buffer = Buffer.alloc(32);
  return {
    readBytes() {
      if (fd === undefined) return 0;
      try {
        return Number(buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0)));
      } catch {
        // The cgroup went with its last process.
        return 0;
      }
    },
    reset() {
      try {
        if (fd !== undefined) writeSync(fd, '0', 0);
      } catch {
        // Linux before 6.12 counts from the beginning on v2.
      }
    },
    [Symbol.dispose]() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}

function openForReset(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch {
    return openSync(path, 'r');
  }
}
