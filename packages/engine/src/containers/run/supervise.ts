import { errorMessage, isSlipwayError } from '@slipway/base';
import type { ExitStatus, Task } from '@slipway/runtime';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { type Ended, ended, isRunning, transition } from '../state.ts';
import { removeBundle } from './bundle.ts';
import { discardContainer } from './discard.ts';
import { startHealthChecks } from './health.ts';
import { closeNetwork } from './networking.ts';
import { OutputHub } from './output-hub.ts';
import { restartDelayMs, shouldRestart } from './restart-policy.ts';
import { expectRestart } from './restarts.ts';
import { unmountSharedMemory } from './shared-memory.ts';
import { startLocked } from './start.ts';

/** Watches over a run until its end, then does what its end calls for. */
export function supervise(context: ContainerContext, container: Container, task: Task): void {
  const health = startHealthChecks(context, container);
  const oom = task.onOom(() => publish(context, container, 'oom'));
  void task.exited
    .then(async (exit) => {
      health?.[Symbol.dispose]();
      oom[Symbol.dispose]();
      await afterExit(context, container, task, exit);
    })
    .catch((error) => {
      context.logger.error(
        { container: container.definition.id, error: errorMessage(error) },
        'clean-up after an exit failed',
      );
    });
}

async function afterExit(
  context: ContainerContext,
  container: Container,
  task: Task,
  exit: ExitStatus,
): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const cleanedUp = task.delete();
  // Its ports and addresses are free before anyone hears that it ended.
  await closeNetwork(context, container, container.sandbox);
  const end = recordExit(context, container, exit);
  await cleanedUp;
  removeBundle(container);
  for (const mount of container.definition.mounts) {
    if (mount.type === 'volume') context.volumes.unmounted(mount.name, container.definition.id);
  }
  if (shouldRestart(container)) {
    scheduleRestart(context, container, end);
  } else if (container.definition.hostConfig.AutoRemove) {
    await discardContainer(context, container, { removeVolumes: true });
  }
}

/** Makes the end known: to the record, to who is attached or waits, and to the world. */
export function recordExit(context: ContainerContext, container: Container, exit: ExitStatus): Ended {
  container.state = transition(container.state, {
    type: 'exited',
    exitCode: exit.exitCode,
    oomKilled: exit.oomKilled,
    atNs: exit.exitedAtNs,
  });
  unmountSharedMemory(container);
  container.task = undefined;
  container.sandbox = undefined;
  saveEnd(context, container);
  container.output.end();
  container.output = new OutputHub();
  const end = ended(container.state);
  const durationSeconds = (end.finishedAtNs - end.startedAtNs) / 1_000_000_000n;
  publish(context, container, 'die', {
    exitCode: String(exit.exitCode),
    execDuration: String(durationSeconds),
  });
  const finished = container.nextExit;
  container.nextExit = Promise.withResolvers();
  finished.resolve(end);
  return end;
}

/** Who waits must hear of the end also on a full disk; the next daemon learns it from the shim's own record. */
function saveEnd(context: ContainerContext, container: Container): void {
  try {
    context.records.saveState(container);
  } catch (error) {
    if (!isSlipwayError(error, 'ResourceExhausted')) throw error;
    context.logger.warn(
      { container: container.definition.id, error: errorMessage(error) },
      'the end of a container could not be recorded',
    );
  }
}

/** Starts it again after its policy's delay, unless someone starts, stops or removes it before. */
export function scheduleRestart(context: ContainerContext, container: Container, end: Ended): void {
  const delayMs = restartDelayMs(container.restartCount, end);
  container.restartCount += 1;
  container.state = transition(container.state, { type: 'restartScheduled' });
  context.records.saveState(container);
  const canceled = expectRestart(container);
  void context.clock
    .sleep(delayMs, { signal: canceled })
    .then(async () => {
      using _lock = await context.locks.acquire(container.definition.id);
      if (canceled.aborted || isRunning(container.state)) return;
      await startLocked(context, container);
    })
    .catch((error) => {
      if (canceled.aborted) return;
      context.logger.warn(
        { container: container.definition.id, error: errorMessage(error) },
        'a restart failed',
      );
    });
}
