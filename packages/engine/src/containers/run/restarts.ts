import type { Container } from '../container.ts';
import { ended, transition } from '../state.ts';

/** Restarts that wait for their time, by container. */
const pending = new WeakMap<Container, AbortController>();

/** A restart is to come; the signal aborts when it is taken back. */
export function expectRestart(container: Container): AbortSignal {
  const canceled = new AbortController();
  pending.set(container, canceled);
  return canceled.signal;
}

/** Takes back a restart that waits for its time. Answers whether there was one. */
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
