import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Clock, isErrno } from '@slipway/base';

const RETRY_MS = 10;
/** Far longer than anybody works under it; whoever holds it longer does not do our work. */
const PATIENCE_MS = 5_000;

/**
 * Waits until no other daemon in this network namespace works under `name`. The lock is an abstract socket: the kernel
 * drops it with the process, and it ends where the network does. After 5 s it is waited for no longer, because anybody
 * may bind such a name: what it guards must stay correct for one daemon alone.
 */
export async function lockHost(name: string, clock: Clock): Promise<AsyncDisposable> {
  const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    const server = createServer();
    try {
      server.listen(`\0slipway/${name}`);
      await once(server, 'listening');
      return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
    } catch (error) {
      if (!isErrno(error, 'EADDRINUSE')) throw error;
      if (clock.monotonicMs() > deadlineMs) return { [Symbol.asyncDispose]: async () => {} };
      await clock.sleep(RETRY_MS);
    }
  }
}
