import { isSlipwayError } from '@slipway/base';
import { removeTree } from '@slipway/store';
import type { Container, MountPoint } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { ended, transition } from '../state.ts';
import { cancelRestart } from './restarts.ts';

const FREE_ATTEMPTS = 40;
const FREE_PAUSE_MS = 50;

/** Removes a container that does not run with all that is its own. For who holds its lock. */
export async function discardContainer(
  context: ContainerContext,
  container: Container,
  { removeVolumes }: { readonly removeVolumes: boolean },
): Promise<void> {
  const { id } = container.definition;
  cancelRestart(container);
  const before = container.state;
  container.state = transition(before, { type: 'removing' });
  if (!removeVolumes) for (const { name } of anonymousVolumes(container)) context.volumes.keep(name);
  // From here on it does not exist; what a crash leaves of its folders is swept at the next start.
  try {
    await deleteRecord(context, container);
  } catch (error) {
    container.state = before;
    throw error;
  }
  await Promise.all([removeSnapshot(context, id), removeTree(container.folder)]);
  context.registry.remove(container);
  if (removeVolumes) await removeAnonymousVolumes(context, container);
  publish(context, container, 'destroy');
  container.output.end();
  container.nextExit.resolve(ended(container.state));
  // What went wrong in its life is not an error of its removal.
  container.removed.resolve({ ...ended(container.state), error: '' });
}

/** On a full disk even a record's removal needs room, which the container's own files then give first. */
async function deleteRecord(context: ContainerContext, container: Container): Promise<void> {
  try {
    context.records.delete(container);
  } catch (error) {
    if (!isSlipwayError(error, 'ResourceExhausted')) throw error;
    await freeLayer(context, container.definition.id);
    context.records.delete(container);
  }
}

/** The kernel gives the room back only once the mount of the run that just ended is gone, which takes it a moment. */
async function freeLayer(context: ContainerContext, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await removeSnapshot(context, id);
    } catch (error) {
      if (attempt === FREE_ATTEMPTS || !isSlipwayError(error, 'ResourceExhausted')) throw error;
      await context.clock.sleep(FREE_PAUSE_MS);
    }
  }
}

async function removeSnapshot(context: ContainerContext, id: string): Promise<void> {
  try {
    await context.snapshots.remove(id);
  } catch (error) {
    if (!isSlipwayError(error, 'NotFound')) throw error;
  }
}

async function removeAnonymousVolumes(context: ContainerContext, container: Container): Promise<void> {
  for (const { name } of anonymousVolumes(container)) {
    try {
      await context.volumes.remove(name, { force: false });
    } catch (error) {
      // Another container may use it by now, through --volumes-from.
      if (!isSlipwayError(error, 'NotFound', 'Conflict')) throw error;
      context.volumes.keep(name);
    }
  }
}

const anonymousVolumes = ({ definition }: Container): readonly MountPoint[] =>
  definition.mounts.filter(({ type, anonymous }) => type === 'volume' && anonymous);
