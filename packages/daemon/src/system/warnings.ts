import type { HostFacts } from './host.ts';

/** What this host cannot do that a user may count on, in docker's words. */
export function infoWarnings({ cgroup, ipv4Forwarding }: HostFacts): string[] {
  const checks: readonly (readonly [boolean, string])[] = [
    [cgroup.memory, 'No memory limit support'],
    [cgroup.swap, 'No swap limit support'],
    [cgroup.cpuQuota, 'No cpu cfs quota support'],
    [cgroup.cpuPeriod, 'No cpu cfs period support'],
    [cgroup.cpuShares, 'No cpu shares support'],
    [cgroup.cpuset, 'No cpuset support'],
    [cgroup.pids, 'No pids limit support'],
    [ipv4Forwarding, 'IPv4 forwarding is disabled'],
  ];
  return checks.filter(([supported]) => !supported).map(([, text]) => `WARNING: ${text}`);
}
