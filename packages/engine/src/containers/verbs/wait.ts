import { aborted } from '@slipway/base';
import type { Container } from '../container.ts';
import { type Ended, ended, isRunning } from '../state.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/**
 * Resolves when the condition comes true; undefined when `signal` aborts before. It listens from the moment of the call,
 * so that no exit, however quick, is missed.
 */
export async function waitFor(
  container: Container,
  condition: WaitCondition,
  { signal }: { signal: AbortSignal },
): Promise<Ended | undefined> {
  const met = {
    'next-exit': () => container.nextExit.promise,
    removed: () => container.removed.promise,
    'not-running': () => untilNotRunning(container),
  }[condition]();
  return await Promise.race([met, aborted(signal).then(() => undefined)]);
}

async function untilNotRunning(container: Container): Promise<Ended> {
  let end = ended(container.state);
  while (isRunning(container.state) || container.state.status === 'restarting') {
    end = await container.nextExit.promise;
  }
  return end;
}
