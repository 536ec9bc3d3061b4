import type { Container } from '../container.ts';
import type { Ended } from '../state.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
const STEADY_RUN_NS = 10_000_000_000n;

/** Whether the container's policy wants it started again now that it has ended. */
export function shouldRestart({ definition, state, stoppedByUser, restartCount }: Container): boolean {
  if (stoppedByUser || state.status !== 'exited') return false;
  const { Name = 'no', MaximumRetryCount = 0 } = definition.hostConfig.RestartPolicy ?? {};
  switch (Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return state.exitCode !== 0 && (MaximumRetryCount === 0 || restartCount < MaximumRetryCount);
    default:
      return false;
  }
}

/** 100 ms, doubled at each restart up to a minute; a run of ten seconds starts the count anew. */
export function restartDelayMs(restartCount: number, end: Ended): number {
  if (end.finishedAtNs - end.startedAtNs >= STEADY_RUN_NS) return FIRST_DELAY_MS;
  return Math.min(FIRST_DELAY_MS * 2 ** Math.min(restartCount, 20), LONGEST_DELAY_MS);
}
