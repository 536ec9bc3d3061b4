import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** A process and all that it started and that did not leave it, e.g. dockerd and its containerd. */
export function processTree(pid: number): number[] {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), parentOf(Number(name))]),
  );
  const isBelow = (candidate: number): boolean => {
    for (let at: number | undefined = candidate; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === pid) return true;
    }
    return false;
  };
  return [...parents.keys()].filter(isBelow);
}

/** Of a container's first process, that is its shim, in every engine. */
export const parentOf = (pid: number): number => fieldOf(readProc(pid, 'status'), 'PPid');

/** Resident memory, shared pages counted in full. Unit: bytes. */
export const residentBytes = (pids: readonly number[]): number => sum(pids, 'status', 'VmRSS');

/** The most that was resident since `forgetPeaks`. Unit: bytes. */
export const peakBytes = (pids: readonly number[]): number => sum(pids, 'status', 'VmHWM');

/** Resident memory, pages that several processes share divided among them. Unit: bytes. */
export const proportionalBytes = (pids: readonly number[]): number => sum(pids, 'smaps_rollup', 'Pss');

export function forgetPeaks(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // It has ended.
    }
  }
}

function sum(pids: readonly number[], file: string, field: string): number {
  return pids.reduce((total, pid) => total + fieldOf(readProc(pid, file), field) * 1024, 0);
}

/** A field of a `/proc` file: a number, in kilobytes where the field has a unit. */
function fieldOf(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
