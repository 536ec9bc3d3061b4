import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { formatTimeNs, isSlipwayError, ZERO_TIME } from '@slipway/base';
import type { InterfaceCounters } from '@slipway/network';
import type { TaskMetrics } from '@slipway/runtime';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { isRunning } from '../state.ts';

const PERIOD_MS = 1000;
/** USER_HZ is 100 wherever Linux runs containers. */
const NS_PER_TICK = 10_000_000;

export interface StatsOptions {
  /** One more each second until the container is removed. */
  readonly stream: boolean;
  /** Without a stream: at once, with nothing to compare to; otherwise two readings a second apart make the one. */
  readonly oneShot: boolean;
}

/** One reading in Docker's JSON. @see Docker Engine API v1.51, ContainerStats */
export type StatsBody = Readonly<Record<string, unknown>>;

/** One reading of what a container uses, before it is compared to the one before. */
interface Reading {
  readonly read: string;
  readonly metrics: TaskMetrics | undefined;
  readonly systemNs: number;
  readonly networks: Readonly<Record<string, InterfaceCounters>> | undefined;
}

/** What a container uses: zeros while it does not run. Ends when it is removed or the signal aborts. */
export async function* containerStats(
  context: ContainerContext,
  container: Container,
  { stream, oneShot }: StatsOptions,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<StatsBody> {
  let previous: Reading | undefined;
  if (!stream && !oneShot && isRunning(container.state)) {
    previous = await takeReading(context, container);
    await pause(context, container, signal);
  }
  while (!signal.aborted) {
    const reading = await takeReading(context, container);
    yield toStatsBody(context, container, reading, previous);
    previous = reading;
    if (!stream || !(await pause(context, container, signal))) return;
  }
}

/** Whether there is more to come. */
async function pause(context: ContainerContext, container: Container, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stop = () => resolve(false);
  signal.addEventListener('abort', stop);
  using _timer = context.clock.timer(PERIOD_MS, () => resolve(true));
  try {
    return await Promise.race([promise, container.removed.promise.then(() => false)]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function takeReading(context: ContainerContext, container: Container): Promise<Reading> {
  const { task, sandbox } = container;
  if (!isRunning(container.state) || task === undefined) {
    return { read: ZERO_TIME, metrics: undefined, systemNs: 0, networks: undefined };
  }
  const [metrics, systemNs, networks] = await Promise.all([
    task.metrics(),
    systemUsageNs(),
    sandbox === undefined ? undefined : countersOf(context, container.definition.id),
  ]);
  return { read: formatTimeNs(metrics.readAtNs), metrics, systemNs, networks };
}

async function countersOf(context: ContainerContext, id: string) {
  try {
    return await context.networking.counters(id);
  } catch (error) {
    // It has ended meanwhile.
    if (isSlipwayError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Time that all processors together have spent, as Docker counts it: user to softirq, and steal. */
async function systemUsageNs(): Promise<number> {
  const line = (await readFile('/proc/stat', 'utf8')).split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * NS_PER_TICK;
}

function toStatsBody(
  context: ContainerContext,
  container: Container,
  reading: Reading,
  previous: Reading | undefined,
): StatsBody {
  const { metrics, networks } = reading;
  return {
    name: `/${container.definition.name}`,
    id: container.definition.id,
    read: reading.read,
    preread: previous?.read ?? ZERO_TIME,
    pids_stats:
      metrics === undefined ? {} : { current: metrics.pids.current, ...limitOf(metrics.pids.limit) },
    blkio_stats: blkioStats(metrics),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(reading),
    precpu_stats: cpuStats(previous),
    memory_stats: metrics === undefined ? {} : memoryStats(metrics.memory, context.config.cgroupVersion),
    ...(networks === undefined ? {} : { networks: networksToWire(networks) }),
  };
}

const limitOf = (limit: number | undefined) => (limit === undefined ? {} : { limit });

function cpuStats(reading: Reading | undefined): object {
  const cpu = reading?.metrics?.cpu;
  return {
    cpu_usage: {
      total_usage: cpu?.usageNs ?? 0,
      ...(cpu?.perCpuNs === undefined ? {} : { percpu_usage: cpu.perCpuNs }),
      usage_in_kernelmode: cpu?.systemNs ?? 0,
      usage_in_usermode: cpu?.userNs ?? 0,
    },
    ...(cpu === undefined
      ? {}
      : { system_cpu_usage: reading?.systemNs, online_cpus: availableParallelism() }),
    throttling_data: {
      periods: cpu?.throttling.periods ?? 0,
      throttled_periods: cpu?.throttling.throttledPeriods ?? 0,
      throttled_time: cpu?.throttling.throttledNs ?? 0,
    },
  };
}

function memoryStats(memory: TaskMetrics['memory'], cgroupVersion: 1 | 2): object {
  return {
    usage: memory.usageBytes,
    ...(cgroupVersion === 1 ? { max_usage: memory.maxUsageBytes ?? 0, failcnt: memory.failCount ?? 0 } : {}),
    stats: memory.stats,
    // Unlimited is the whole machine's memory, as Docker has it.
    limit: memory.limitBytes ?? totalmem(),
  };
}

function blkioStats(metrics: TaskMetrics | undefined): object {
  const rows = (value: (row: TaskMetrics['blkio'][number]) => number) =>
    metrics?.blkio.map((row) => ({ major: row.major, minor: row.minor, op: row.op, value: value(row) })) ??
    null;
  return {
    io_service_bytes_recursive: rows((row) => row.bytes),
    io_serviced_recursive: rows((row) => row.operations),
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function networksToWire(networks: Readonly<Record<string, InterfaceCounters>>): object {
  return Object.fromEntries(
    Object.entries(networks)
      .filter(([name]) => name !== 'lo')
      .map(([name, counters]) => [
        name,
        {
          rx_bytes: counters.rxBytes,
          rx_packets: counters.rxPackets,
          rx_errors: counters.rxErrors,
          rx_dropped: counters.rxDropped,
          tx_bytes: counters.txBytes,
          tx_packets: counters.txPackets,
          tx_errors: counters.txErrors,
          tx_dropped: counters.txDropped,
        },
      ]),
  );
}
