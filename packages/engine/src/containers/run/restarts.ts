import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { ended, transition } from '../state.ts';

/** Restarts that wait for their time, by container. */
const pending = new WeakMap<Container, AbortController>();

/** A restart is to come; the signal aborts when it is taken back. */
export function expectRestart(container: Container): AbortSignal {
  const canceled = new AbortController();
  pending.set(container, canceled);
  return canceled.signal;
}

/**
 * Takes back a restart that waits for its time. One that is being carried out cannot be taken back: this waits until it is
 * known what became of it. For who does not hold the container's lock. Answers whether one was taken back.
 */
export async function takeBackRestart(context: ContainerContext, container: Container): Promise<boolean> {
  if (container.state.status !== 'restarting') return false;
  forgetRestart(container);
  using _lock = await context.locks.acquire(container.definition.id);
  return cancelRestart(container);
}

/** Takes back a restart that waits for its time; for who holds the container's lock. Answers whether there was one. */
export function cancelRestart(container: Container): boolean {
  forgetRestart(container);
  if (container.state.status !== 'restarting') return false;
  container.state = transition(container.state, { type: 'restartCanceled' });
  const waiting = container.nextExit;
  container.nextExit = Promise.withResolvers();
  waiting.resolve(ended(container.state));
  return true;
}

/** Ends the waiting only; the record keeps saying that it is restarting, so that the next daemon does it. */
export function forgetRestart(container: Container): void {
  pending.get(container)?.abort();
  pending.delete(container);
}
