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
  options: RemoveOptions,
): Promise<void> {
  if (container.state.status === 'removing') {
    const { name } = container.definition;
    throw new SlipwayError('Conflict', `removal of container ${name} is already in progress`);
  }
  if (!options.force) requireStopped(container);
  // With force, as often as a start was on its way that it had to wait for.
  do {
    if (options.force) await killForRemoval(context, container);
  } while (!(await removeStopped(context, container, options)));
}

/** Answers whether it is gone: not when it was started meanwhile. @throws Conflict for that without `force` */
async function removeStopped(
  context: ContainerContext,
  container: Container,
  { removeVolumes, force }: RemoveOptions,
): Promise<boolean> {
  const { id, name } = container.definition;
  using _lock = await context.locks.acquire(id);
  // `--rm` was quicker, or somebody else.
  if (context.registry.findById(id) !== container) return true;
  if (isRunning(container.state)) {
    if (force) return false;
    throw new SlipwayError('Conflict', `cannot remove container "${name}": it was started again meanwhile`);
  }
  await discardContainer(context, container, { removeVolumes });
  return true;
}

function requireStopped({ state, definition: { name } }: Container): void {
  if (state.status === 'paused') {
    throw new SlipwayError(
      'Conflict',
      `cannot remove container "${name}": container is paused and must be unpaused first`,
    );
  }
  if (isRunning(state) || state.status === 'restarting') {
    throw new SlipwayError(
      'Conflict',
      `cannot remove container "${name}": container is ${state.status}: stop the container before removing or force remove`,
    );
  }
}
