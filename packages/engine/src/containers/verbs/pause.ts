import { SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { isRunning, transition } from '../state.ts';

/** Freezes every process. @throws Conflict when it is paused or does not run. */
export async function pauseContainer(context: ContainerContext, container: Container): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { task, state, definition } = container;
  if (state.status === 'paused')
    throw new SlipwayError('Conflict', `Container ${definition.id} is already paused`);
  if (!isRunning(state) || task === undefined) {
    throw new SlipwayError('Conflict', `Container ${definition.id} is not running`);
  }
  await task.pause();
  container.state = transition(state, { type: 'paused' });
  context.records.saveState(container);
  publish(context, container, 'pause');
}

/** Thaws every process. @throws Conflict when it is not paused. */
export async function unpauseContainer(context: ContainerContext, container: Container): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { task, state, definition } = container;
  if (state.status !== 'paused' || task === undefined) {
    throw new SlipwayError('Conflict', `Container ${definition.id} is not paused`);
  }
  await task.resume();
  container.state = transition(state, { type: 'resumed' });
  context.records.saveState(container);
  publish(context, container, 'unpause');
}
