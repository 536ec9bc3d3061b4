import { SlipwayError } from '@slipway/base';

/** Where a container is in its life. Docker's booleans are derived from it, at the edge, by `toDockerState`. */
export type ContainerState =
  /** Never ran; `exitCode` and `error` tell of a start that failed. */
  | { readonly status: 'created'; readonly exitCode: number; readonly error: string }
  | { readonly status: 'running'; readonly pid: number; readonly startedAtNs: bigint }
  | { readonly status: 'paused'; readonly pid: number; readonly startedAtNs: bigint }
  /** Waiting for its restart policy's next try. */
  | ({ readonly status: 'restarting' } & Ended)
  | ({ readonly status: 'exited' } & Ended)
  /** Only in memory: a removal that a crash cut off is finished at the next start, or never began. */
  | ({ readonly status: 'removing' } & Ended);

/** How the last run ended. `startedAtNs` is 0 when there was none. */
export interface Ended {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly startedAtNs: bigint;
  readonly finishedAtNs: bigint;
}

export type StateEvent =
  | { readonly type: 'started'; readonly pid: number; readonly startedAtNs: bigint }
  | { readonly type: 'startFailed'; readonly exitCode: number; readonly error: string }
  | { readonly type: 'exited'; readonly exitCode: number; readonly oomKilled: boolean; readonly atNs: bigint }
  | { readonly type: 'restartScheduled' }
  | { readonly type: 'restartCanceled' }
  | { readonly type: 'paused' }
  | { readonly type: 'resumed' }
  | { readonly type: 'removing' };

/**
 * The next state. Every move that is not listed is refused.
 * @throws FailedPrecondition naming the state and the event.
 */
export function transition(state: ContainerState, event: StateEvent): ContainerState {
  switch (event.type) {
    case 'started':
      if (isRunning(state) || state.status === 'removing') break;
      return { status: 'running', pid: event.pid, startedAtNs: event.startedAtNs };
    case 'startFailed':
      if (isRunning(state) || state.status === 'removing') break;
      if (state.status === 'created') return { ...state, exitCode: event.exitCode, error: event.error };
      return { ...ended(state), status: 'exited', exitCode: event.exitCode, error: event.error };
    case 'exited':
      if (!isRunning(state)) break;
      return {
        status: 'exited',
        exitCode: event.exitCode,
        oomKilled: event.oomKilled,
        error: '',
        startedAtNs: state.startedAtNs,
        finishedAtNs: event.atNs,
      };
    case 'restartScheduled':
      if (state.status !== 'exited') break;
      return { ...state, status: 'restarting' };
    case 'restartCanceled':
      if (state.status !== 'restarting') break;
      return { ...state, status: 'exited' };
    case 'paused':
      if (state.status !== 'running') break;
      return { ...state, status: 'paused' };
    case 'resumed':
      if (state.status !== 'paused') break;
      return { ...state, status: 'running' };
    case 'removing':
      if (isRunning(state) || state.status === 'removing') break;
      return { ...ended(state), status: 'removing' };
  }
  throw new SlipwayError('FailedPrecondition', `a container that is ${state.status} cannot be ${event.type}`);
}

/** Whether its first process lives, frozen or not. */
export function isRunning(
  state: ContainerState,
): state is Extract<ContainerState, { status: 'running' | 'paused' }> {
  return state.status === 'running' || state.status === 'paused';
}

/** How the last run ended, with zeros when there was none. */
export function ended(state: ContainerState): Ended {
  if (isRunning(state)) {
    return { exitCode: 0, oomKilled: false, error: '', startedAtNs: state.startedAtNs, finishedAtNs: 0n };
  }
  const never = { oomKilled: false, startedAtNs: 0n, finishedAtNs: 0n };
  const { exitCode, error, oomKilled, startedAtNs, finishedAtNs } = { ...never, ...state };
  return { exitCode, error, oomKilled, startedAtNs, finishedAtNs };
}
