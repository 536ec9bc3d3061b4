import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@slipway/base';
import type { TaskMetrics } from '../task.ts';
import { type CgroupHost, cgroupDir } from './cgroup-host.ts';

/** The clock ticks in `cpuacct.stat`: USER_HZ is 100 on every architecture that Linux runs containers on. */
const NS_PER_TICK = 10_000_000;
/** v1 writes "no limit" as the largest multiple of a page in an int64. */
const NO_LIMIT_BYTES = 2 ** 60;

/** The processes of a cgroup and of the cgroups below it. */
export async function cgroupPids(dir: string): Promise<number[]> {
  const pids: number[] = [];
  const collect = async (folder: string) => {
    const text = await readText(join(folder, 'cgroup.procs'));
    for (const line of text.split('\n')) if (line !== '' && line !== '0') pids.push(Number(line));
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    await Promise.all(
      entries.filter((entry) => entry.isDirectory()).map((entry) => collect(join(folder, entry.name))),
    );
  };
  await collect(dir);
  return pids.sort((a, b) => a - b);
}

/** Reads the accounting of a container's cgroups. What cannot be read is zero or undefined: accounting never fails a caller. */
export async function readMetrics(host: CgroupHost, cgroupsPath: string, clock: Clock): Promise<TaskMetrics> {
  const dir = (controller: string) => cgroupDir(host, controller, cgroupsPath);
  const read = host.version === 2 ? readV2 : readV1;
  const [pids, limit, rest] = await Promise.all([
    readNumber(join(dir('pids'), 'pids.current')),
    readNumber(join(dir('pids'), 'pids.max')),
    read(dir),
  ]);
  return { readAtNs: clock.nowNs(), pids: { current: pids ?? 0, limit }, ...rest };
}

type Usage = Omit<TaskMetrics, 'readAtNs' | 'pids'>;

async function readV1(dir: (controller: string) => string): Promise<Usage> {
  const [cpuacct, cpu, memory, blkio] = [dir('cpuacct'), dir('cpu'), dir('memory'), dir('blkio')];
  const [usage, perCpu, ticks, throttle, bytes, max, limit, failCount, stats, ioBytes, ioCount] =
    await Promise.all([
      readNumber(join(cpuacct, 'cpuacct.usage')),
      readText(join(cpuacct, 'cpuacct.usage_percpu')),
      readTable(join(cpuacct, 'cpuacct.stat')),
      readTable(join(cpu, 'cpu.stat')),
      readNumber(join(memory, 'memory.usage_in_bytes')),
      readNumber(join(memory, 'memory.max_usage_in_bytes')),
      readNumber(join(memory, 'memory.limit_in_bytes')),
      readNumber(join(memory, 'memory.failcnt')),
      readTable(join(memory, 'memory.stat')),
      readText(join(blkio, 'blkio.throttle.io_service_bytes_recursive')),
      readText(join(blkio, 'blkio.throttle.io_serviced_recursive')),
    ]);
  return {
    cpu: {
      usageNs: usage ?? 0,
      userNs: (ticks.user ?? 0) * NS_PER_TICK,
      systemNs: (ticks.system ?? 0) * NS_PER_TICK,
      perCpuNs: perCpu === '' ? undefined : perCpu.trim().split(' ').map(Number),
      throttling: throttling(throttle, throttle.throttled_time ?? 0),
    },
    memory: {
      usageBytes: bytes ?? 0,
      maxUsageBytes: max,
      limitBytes: limit === undefined || limit > NO_LIMIT_BYTES ? undefined : limit,
      failCount,
      stats,
    },
    blkio: mergeBlkioV1(ioBytes, ioCount),
  };
}

async function readV2(dir: (controller: string) => string): Promise<Usage> {
  const folder = dir('');
  const [cpu, current, peak, limit, events, stats, io] = await Promise.all([
    readTable(join(folder, 'cpu.stat')),
    readNumber(join(folder, 'memory.current')),
    readNumber(join(folder, 'memory.peak')),
    readNumber(join(folder, 'memory.max')),
    readTable(join(folder, 'memory.events')),
    readTable(join(folder, 'memory.stat')),
    readText(join(folder, 'io.stat')),
  ]);
  return {
    cpu: {
      usageNs: (cpu.usage_usec ?? 0) * 1000,
      userNs: (cpu.user_usec ?? 0) * 1000,
      systemNs: (cpu.system_usec ?? 0) * 1000,
      perCpuNs: undefined,
      throttling: throttling(cpu, (cpu.throttled_usec ?? 0) * 1000),
    },
    memory: {
      usageBytes: current ?? 0,
      maxUsageBytes: peak,
      limitBytes: limit,
      failCount: events.max,
      stats,
    },
    blkio: parseIoStat(io),
  };
}

function throttling(stat: Readonly<Record<string, number>>, throttledNs: number) {
  return { periods: stat.nr_periods ?? 0, throttledPeriods: stat.nr_throttled ?? 0, throttledNs };
}

/** `8:0 Read 4096` lines, from one file for bytes and one for operations. */
function mergeBlkioV1(bytes: string, operations: string): TaskMetrics['blkio'] {
  const parse = (text: string) =>
    new Map(
      [...text.matchAll(/^(\d+:\d+ \w+) (\d+)$/gm)].map(
        ([, key = '', value]) => [key, Number(value)] as const,
      ),
    );
  const counts = parse(operations);
  return [...parse(bytes)].map(([key, value]) => {
    const [, major, minor, op = ''] = /^(\d+):(\d+) (\w+)$/.exec(key) ?? [];
    return {
      major: Number(major),
      minor: Number(minor),
      op: op.toLowerCase(),
      bytes: value,
      operations: counts.get(key) ?? 0,
    };
  });
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` lines. */
function parseIoStat(text: string): TaskMetrics['blkio'] {
  return text
    .split('\n')
    .filter((line) => line.includes('rbytes='))
    .flatMap((line) => {
      const [device = '', ...pairs] = line.split(' ');
      const [major, minor] = device.split(':').map(Number) as [number, number];
      const values = new Map(pairs.map((pair) => pair.split('=') as [string, string]));
      const value = (name: string) => Number(values.get(name) ?? 0);
      return [
        { major, minor, op: 'read', bytes: value('rbytes'), operations: value('rios') },
        { major, minor, op: 'write', bytes: value('wbytes'), operations: value('wios') },
      ];
    });
}

const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

async function readNumber(path: string): Promise<number | undefined> {
  const text = (await readText(path)).trim();
  return text === '' || text === 'max' ? undefined : Number(text);
}

async function readTable(path: string): Promise<Record<string, number>> {
  const table: Record<string, number> = {};
  for (const [, name = '', value] of (await readText(path)).matchAll(/^(\w+) (\d+)$/gm))
    table[name] = Number(value);
  return table;
}
