import { formatDuration } from '@slipway/api/docker';
import { formatTimeNs, ZERO_TIME } from '@slipway/base';
import type { Container, Health } from '../container.ts';
import { type ContainerState, ended, isRunning } from '../state.ts';

/** Docker's state word and booleans: the one place that derives them. */
export function toDockerState(container: Container): Record<string, unknown> {
  const { state, health } = container;
  const end = ended(state);
  const time = (ns: bigint) => (ns === 0n ? ZERO_TIME : formatTimeNs(ns));
  return {
    Status: state.status,
    Running: isRunning(state) || state.status === 'restarting',
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: end.oomKilled,
    Dead: false,
    Pid: isRunning(state) ? state.pid : 0,
    ExitCode: end.exitCode,
    Error: end.error,
    StartedAt: time(end.startedAtNs),
    FinishedAt: time(end.finishedAtNs),
    ...(health === undefined ? {} : { Health: toDockerHealth(health) }),
  };
}

function toDockerHealth(health: Health): Record<string, unknown> {
  return {
    Status: health.status,
    FailingStreak: health.failingStreak,
    Log: health.log.map(({ startNs, endNs, exitCode, output }) => ({
      Start: formatTimeNs(startNs),
      End: formatTimeNs(endNs),
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

/** `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`, as `docker ps` shows it. */
export function describeStatus(state: ContainerState, health: Health | undefined, nowNs: bigint): string {
  const since = (ns: bigint) => formatDuration(Number((nowNs - ns) / 1_000_000n));
  switch (state.status) {
    case 'created':
      return 'Created';
    case 'running':
      return `Up ${since(state.startedAtNs)}${describeHealth(health)}`;
    case 'paused':
      return `Up ${since(state.startedAtNs)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAtNs)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'exited':
      return state.finishedAtNs === 0n
        ? 'Created'
        : `Exited (${state.exitCode}) ${since(state.finishedAtNs)} ago`;
  }
}

function describeHealth(health: Health | undefined): string {
  if (health === undefined) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}
