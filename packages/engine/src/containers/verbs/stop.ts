import { constants } from 'node:os';
import { isSlipwayError, SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { forgetRestart, takeBackRestart } from '../run/restarts.ts';
import { startContainer } from '../run/start.ts';
import { parseSignal } from '../signals.ts';
import { type Ended, isRunning } from '../state.ts';

const { SIGKILL, SIGTERM } = constants.signals;
const DEFAULT_TIMEOUT_SECONDS = 10;
/** How long the kernel may take to end a process that was killed. */
const KILL_PATIENCE_MS = 10_000;

export interface StopOptions {
  /** Undefined: the container's own, else SIGTERM. */
  readonly signal?: string | undefined;
  /** Undefined: the container's own, else 10; negative: wait for ever; 0: kill at once. */
  readonly timeoutSeconds?: number | undefined;
}

/**
 * Asks the first process to end, and kills it when it takes too long.
 * @throws NotModified when it does not run.
 */
export async function stopContainer(
  context: ContainerContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  const signal = parseSignal(options.signal || container.definition.config.StopSignal || 'SIGTERM');
  const waited = await takeBackRestart(context, container);
  markStopped(context, container);
  if (!isRunning(container.state)) {
    if (waited) return;
    throw new SlipwayError('NotModified', `container ${container.definition.name} is already stopped`);
  }
  await endRun(context, container, signal, timeoutSecondsOf(container, options));
  publish(context, container, 'stop');
}

/** Stops it because the daemon ends: its restart policy applies again when the next one starts. */
export async function stopForShutdown(context: ContainerContext, container: Container): Promise<void> {
  forgetRestart(container);
  if (container.state.status === 'restarting') await untilUnlocked(context, container);
  if (!isRunning(container.state)) return;
  const signal = parseSignal(container.definition.config.StopSignal || 'SIGTERM');
  await endRun(context, container, signal, timeoutSecondsOf(container, {}));
  forgetRestart(container);
  publish(context, container, 'stop');
}

const timeoutSecondsOf = (container: Container, options: StopOptions): number =>
  options.timeoutSeconds ?? container.definition.config.StopTimeout ?? DEFAULT_TIMEOUT_SECONDS;

/** Signals, waits, kills; resolves when everything of the run is cleaned up. */
async function endRun(
  context: ContainerContext,
  container: Container,
  signal: number,
  timeoutSeconds: number,
): Promise<Ended> {
  const exited = container.nextExit.promise;
  await send(context, container, timeoutSeconds === 0 ? SIGKILL : signal);
  if (timeoutSeconds > 0 && !(await endsWithin(context, exited, timeoutSeconds * 1000))) {
    await send(context, container, SIGKILL);
  }
  if (timeoutSeconds >= 0 && !(await endsWithin(context, exited, KILL_PATIENCE_MS))) {
    throw new SlipwayError(
      'DeadlineExceeded',
      `container ${container.definition.name} did not end within 10 seconds of SIGKILL; the kernel may be waiting for a device`,
    );
  }
  const end = await exited;
  // The exit's own clean-up holds the lock.
  await untilUnlocked(context, container);
  return end;
}

/** Until what is being done with the container is done. */
async function untilUnlocked(context: ContainerContext, { definition }: Container): Promise<void> {
  (await context.locks.acquire(definition.id))[Symbol.dispose]();
}

async function endsWithin(context: ContainerContext, exited: Promise<unknown>, ms: number): Promise<boolean> {
  const patience = new AbortController();
  try {
    return await Promise.race([
      exited.then(() => true),
      context.clock.sleep(ms, { signal: patience.signal }).then(
        () => false,
        () => true,
      ),
    ]);
  } finally {
    patience.abort();
  }
}

/** A frozen container cannot act on a signal, so it is thawed. */
async function send(context: ContainerContext, container: Container, signal: number): Promise<void> {
  const { task, state } = container;
  if (task === undefined) return;
  try {
    await task.signal(signal);
    if (state.status === 'paused') await task.resume();
  } catch (error) {
    if (!isSlipwayError(error, 'NotFound')) throw error;
  }
  publish(context, container, 'kill', { signal: String(signal) });
}

/** Its restart policy does not apply until it is started again. */
function markStopped(context: ContainerContext, container: Container): void {
  if (container.stoppedByUser) return;
  container.stoppedByUser = true;
  context.records.saveState(container);
}

/**
 * Sends a signal to the first process. One that ends it for good also ends its restart policy.
 * @throws Conflict when it does not run.
 */
export async function killContainer(
  context: ContainerContext,
  container: Container,
  signalName: string,
): Promise<void> {
  const signal = parseSignal(signalName || 'SIGKILL');
  const { definition } = container;
  const stopSignal = parseSignal(definition.config.StopSignal || String(SIGTERM));
  const isToEnd = signal === SIGKILL || signal === stopSignal;
  if (container.state.status === 'restarting') {
    // There is no process; what would end it ends the waiting for the next one.
    if (!isToEnd) return;
    const waited = await takeBackRestart(context, container);
    markStopped(context, container);
    if (waited) return;
  }
  if (!isRunning(container.state)) {
    throw new SlipwayError(
      'Conflict',
      `cannot kill container: ${definition.name}: container ${definition.id} is not running`,
    );
  }
  if (isToEnd) markStopped(context, container);
  const exited = container.nextExit.promise;
  await send(context, container, signal);
  if (signal === SIGKILL) await endsWithin(context, exited, KILL_PATIENCE_MS);
}

/** Stops it if it runs, then starts it. */
export async function restartContainer(
  context: ContainerContext,
  container: Container,
  options: StopOptions,
): Promise<void> {
  await takeBackRestart(context, container);
  if (isRunning(container.state)) {
    const signal = parseSignal(options.signal || container.definition.config.StopSignal || 'SIGTERM');
    markStopped(context, container);
    await endRun(context, container, signal, timeoutSecondsOf(container, options));
  }
  await startContainer(context, container);
  publish(context, container, 'restart');
}

/** Ends it with SIGKILL, if it runs, for good. */
export async function killForRemoval(context: ContainerContext, container: Container): Promise<void> {
  await takeBackRestart(context, container);
  markStopped(context, container);
  if (isRunning(container.state)) await endRun(context, container, SIGKILL, 0);
}
