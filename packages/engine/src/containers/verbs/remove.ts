import { SlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { discardContainer } from '../run/discard.ts';
import { isRunning } from '../state.ts';
import { killForRemoval } from './stop.ts';

export interface RemoveOptions {
  /** Its anonymous volumes too. */
  readonly removeVolumes: boolean;
  /** Also when it runs. */
  readonly force: boolean;
}

/**
 * Removes a container with all that is its own.
 * @throws Conflict while it runs (without `force`) or is being removed.
 */
export async function removeContainer(
  context: ContainerContext,
  container: Container,
  { removeVolumes, force }: RemoveOptions,
): Promise<void> {
  const { name, id } = container.definition;
  if (container.state.status === 'removing') {
    throw new SlipwayError('Conflict', `removal of container ${name} is already in progress`);
  }
  if (force) {
    await killForRemoval(context, container);
  } else if (container.state.status === 'paused') {
    throw new SlipwayError(
      'Conflict',
      `cannot remove container "${name}": container is paused and must be unpaused first`,
    );
  } else if (isRunning(container.state) || container.state.status === 'restarting') {
    throw new SlipwayError(
      'Conflict',
      `cannot remove container "${name}": container is ${container.state.status}: stop the container before removing or force remove`,
    );
  }
  using _lock = await context.locks.acquire(id);
  // `--rm` was quicker, or somebody else.
  if (context.registry.findById(id) !== container) return;
  if (isRunning(container.state)) {
    throw new SlipwayError('Conflict', `cannot remove container "${name}": it was started again meanwhile`);
  }
  await discardContainer(context, container, { removeVolumes });
}
