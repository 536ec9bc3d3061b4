import { readdirSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '@slipway/base';
import { forgetPages, trimHeap } from './libc.ts';

/** Mappings smaller than this are not worth a call. */
const LEAST_BYTES = 512 * 1024;

const TICK_MS = 5_000;
/** Processor time in one tick that still counts as idle. */
const IDLE_CPU_MS = 50;
/** Processor time after which there is something to give back. */
const WORK_CPU_MS = 200;

/**
 * Gives memory back whenever the daemon has worked, or a thread of it has ended, and then has nothing to do; first after its
 * start.
 */
export function releaseMemoryWhenIdle(clock: Clock): Disposable {
  let releasedAtMs = 0;
  let releasedThreads = 0;
  let lastTickMs = 0;
  return clock.interval(TICK_MS, () => {
    const nowMs = cpuMs();
    const isIdle = nowMs - lastTickMs < IDLE_CPU_MS;
    lastTickMs = nowMs;
    if (!isIdle || (nowMs - releasedAtMs < WORK_CPU_MS && countThreads() >= releasedThreads)) return;
    releaseMemory();
    releasedAtMs = cpuMs();
    releasedThreads = countThreads();
    lastTickMs = releasedAtMs;
  });
}

const countThreads = (): number => readdirSync('/proc/self/task').length;

/** Processor time of all threads since the start. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Gives back garbage, freed memory, and the pages of Node's own code that were read once. An idle daemon is a third
 * smaller for it.
 */
function releaseMemory(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
  trimHeap();
  for (const { address, sizeBytes } of cleanFileMappings(readFileSync('/proc/self/smaps', 'utf8'))) {
    forgetPages(address, sizeBytes);
  }
}

/** Read-only mappings of files in which nothing was ever written (relocations are): their pages can be read again. */
export function cleanFileMappings(smaps: string): { address: bigint; sizeBytes: number }[] {
  const mappings: { address: bigint; sizeBytes: number }[] = [];
  for (const block of smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* /.exec(block);
    if (head === null || Number(/^Anonymous:\s+(\d+) kB/m.exec(block)?.[1]) !== 0) continue;
    const address = BigInt(`0x${head[1]}`);
    const sizeBytes = Number(BigInt(`0x${head[2]}`) - address);
    if (sizeBytes >= LEAST_BYTES) mappings.push({ address, sizeBytes });
  }
  return mappings;
}
