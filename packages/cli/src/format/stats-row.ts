import type { StatsReply } from '@slipway/client';
import type { Fields, ListLayout } from './list.ts';
import { formatBinarySize, formatSize, shortId } from './units.ts';

/** The table of `stats`. */
export const STATS_LAYOUT: ListLayout = {
  headings: {
    ID: 'CONTAINER ID',
    Container: 'CONTAINER',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  columns: ['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'],
};

/** One sample as docker shows it. */
export function statsRow(name: string, stats: StatsReply, truncate: boolean): Fields {
  const id = stats.id ?? name;
  const { usage = 0, limit = 0, stats: memory = {} } = stats.memory_stats;
  const used = Math.max(0, usage - (memory['total_inactive_file'] ?? memory['inactive_file'] ?? 0));
  const networks = Object.values(stats.networks ?? {});
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const blocks = stats.blkio_stats?.io_service_bytes_recursive ?? [];
  const moved = (op: string) =>
    sum(blocks.filter((entry) => entry.op.toLowerCase() === op).map((entry) => entry.value));
  return {
    ID: () => (truncate ? shortId(id) : id),
    Container: () => name,
    Name: () => (stats.name ?? '').replace(/^\//, ''),
    CPUPerc: () => `${cpuPercent(stats).toFixed(2)}%`,
    MemUsage: () => `${formatBinarySize(used)} / ${formatBinarySize(limit)}`,
    MemPerc: () => `${(limit === 0 ? 0 : (used / limit) * 100).toFixed(2)}%`,
    NetIO: () =>
      `${formatSize(sum(networks.map((n) => n.rx_bytes)))} / ${formatSize(sum(networks.map((n) => n.tx_bytes)))}`,
    BlockIO: () => `${formatSize(moved('read'))} / ${formatSize(moved('write'))}`,
    PIDs: () => String(stats.pids_stats?.current ?? 0),
  };
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsReply): number {
  const used = (now.cpu_usage?.total_usage ?? 0) - (before.cpu_usage?.total_usage ?? 0);
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage?.percpu_usage?.length || 1;
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}
