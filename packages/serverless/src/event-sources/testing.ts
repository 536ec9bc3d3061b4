import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, hostPath, silentLogger, systemRandom } from '@slipway/base';
import { VirtualClock } from '@slipway/base/testing';
import { openDatabase } from '@slipway/store';
import { AsyncInvocations } from '../async-invocations/index.ts';
import { type TestFunction, testFunctions } from '../async-invocations/testing.ts';
import { Queues } from '../queues/index.ts';
import { testCall } from '../queues/testing.ts';
import { eventSourceOperations } from './routes.ts';
import { schedulerOperations } from './schedule-routes.ts';
import { Schedules } from './schedules.ts';
import { EventSourceMappings } from './service.ts';

export interface TestSources<C extends Clock> extends AsyncDisposable {
  readonly clock: C;
  readonly queues: Queues;
  readonly runs: ReturnType<typeof testFunctions>['runs'];
  readonly functions: ReturnType<typeof testFunctions>['functions'];
  /** The folder of a bucket, which is made. */
  bucket(name: string): string;
  /** Calls an operation of either API. */
  // biome-ignore lint/suspicious/noExplicitAny: as a client of no types would
  call(name: string, input: object): Promise<any>;
  /** Ends all of it but what is on disk, and opens it again after `meanwhile`. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
}

/** Mappings and schedules over real queues and the real queue of events, with functions of the test. */
export function openTestSources<C extends Clock = VirtualClock>(
  declared: Record<string, TestFunction>,
  clock: C = new VirtualClock() as Clock as C,
): TestSources<C> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-sources-'));
  const fake = testFunctions(declared, () => clock.nowMs());
  const open = () => {
    const database = openDatabase(join(folder, 'records.db'));
    const common = { database, clock, random: systemRandom, logger: silentLogger };
    const queues = new Queues(common);
    const events = new AsyncInvocations({ ...common, catalog: fake.catalog, queues });
    const { targets } = events;
    const mappings = new EventSourceMappings({
      ...common,
      catalog: fake.catalog,
      invoker: fake.invoker,
      acceptor: events,
      targets,
      queues,
      bucketFolder: (name) => hostPath(join(folder, name)),
    });
    const schedules = new Schedules({ ...common, targets, accountId: '000000000000' });
    events.start(fake.invoker);
    mappings.start();
    schedules.start();
    const operations = [...eventSourceOperations(mappings), ...schedulerOperations(schedules, clock)];
    return {
      queues,
      operations: new Map(operations.map((operation) => [operation.name, operation])),
      close: async () => {
        await schedules[Symbol.asyncDispose]();
        await mappings[Symbol.asyncDispose]();
        await events[Symbol.asyncDispose]();
        queues[Symbol.dispose]();
        database[Symbol.dispose]();
      },
    };
  };
  let current = open();
  return {
    clock,
    get queues() {
      return current.queues;
    },
    runs: fake.runs,
    functions: fake.functions,
    bucket: (name) => {
      const path = join(folder, name);
      mkdirSync(path);
      return path;
    },
    call: async (name, input) => {
      const operation = current.operations.get(name);
      if (operation === undefined) throw new Error(`no operation ${name}`);
      return await operation.run(input, testCall());
    },
    restart: async (meanwhile) => {
      await current.close();
      await meanwhile?.();
      current = open();
    },
    [Symbol.asyncDispose]: async () => {
      await current.close();
      rmSync(folder, { recursive: true });
    },
  };
}
