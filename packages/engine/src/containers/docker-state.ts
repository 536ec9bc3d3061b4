import { formatTimeNs, ZERO_TIME } from '@slipway/base';
import type { Container, Health } from './container.ts';
import { type ContainerState, ended, isRunning } from './state.ts';

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
  const since = (ns: bigint) => humanDuration(nowNs - ns);
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

/** Docker's rough durations: `Less than a second`, `About a minute`, `3 hours`. */
export function humanDuration(ns: bigint): string {
  const seconds = Math.trunc(Number(ns) / 1e9);
  const minutes = Math.trunc(seconds / 60);
  const hours = Math.round(seconds / 3600);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(hours / 24 / 365)} years`;
}
