import { randomUUID } from 'node:crypto';
import { systemRandom } from '@slipway/base';
import { VirtualClock } from '@slipway/base/testing';
import { openDatabase } from '@slipway/store';
import type { AwsCall } from '../aws/index.ts';
import { queueOperations } from './routes.ts';
import { Queues } from './service.ts';

/** A call of an operation by the administrator. */
export const testCall = (): AwsCall => ({
  accountId: '000000000000',
  region: 'eu-central-1',
  host: 'localhost:4566',
  requestId: randomUUID(),
  caller: { kind: 'root' },
  signal: new AbortController().signal,
});

/** Queues on a database in memory, driven by a clock of the test, and their operations by name. */
export function openTestQueues(options: { maxMessagesPerQueue?: number } = {}) {
  const database = openDatabase(':memory:');
  const clock = new VirtualClock();
  const queues = new Queues({ database, clock, random: systemRandom, ...options });
  const operations = new Map(queueOperations(queues).map((operation) => [operation.name, operation]));
  return {
    database,
    clock,
    queues,
    // biome-ignore lint/suspicious/noExplicitAny: as a client of no types would
    call: async (name: string, input: object): Promise<any> => {
      const operation = operations.get(name);
      if (operation === undefined) throw new Error(`no operation ${name}`);
      return await operation.run(input, testCall());
    },
    [Symbol.dispose]: () => {
      queues[Symbol.dispose]();
      database[Symbol.dispose]();
    },
  };
}
