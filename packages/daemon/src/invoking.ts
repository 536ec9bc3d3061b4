import { join } from 'node:path';
import { hostPath } from '@slipway/base';
import type { Route, Site } from '@slipway/http';
import { AsyncInvocations } from '@slipway/serverless/async-invocations';
import { ACCOUNT_ID, type AwsDoor, type AwsOperation } from '@slipway/serverless/aws';
import type { Environments } from '@slipway/serverless/environments';
import {
  EventSourceMappings,
  eventSourceOperations,
  Schedules,
  schedulerOperations,
} from '@slipway/serverless/event-sources';
import type { Functions } from '@slipway/serverless/functions';
import {
  functionUrlSite,
  invocationOperations,
  invocationRoutes,
  openInvocations,
} from '@slipway/serverless/invocations';
import type { Queues } from '@slipway/serverless/queues';
import type { UsageLedger } from '@slipway/serverless/usage';
import type { DaemonOptions, Floors } from './floors.ts';

/** What invocations stand on. */
export interface InvokingGround extends Pick<Floors, 'store'> {
  readonly functions: Functions;
  readonly environments: Environments;
  readonly queues: Queues;
  readonly usage: UsageLedger;
}

/** What invokes functions, and how it is reached. */
export interface Invoking {
  readonly lambda: readonly AwsOperation[];
  readonly scheduler: readonly AwsOperation[];
  readonly socketRoutes: readonly Route[];
  readonly urlSite: (door: AwsDoor) => Site;
}

/** Opens the pool, the queue of events and what triggers functions, and begins to run what waits. */
export function openInvoking(
  { config, clock, random, logger }: DaemonOptions,
  { functions, environments, queues, usage, store: { database } }: InvokingGround,
  stack: AsyncDisposableStack,
): Invoking {
  const { catalog } = functions;
  const { codeRoot, pool } = config.functions;
  const shared = { database, catalog, queues, clock, random };
  const part = (name: string) => ({ logger: logger.child({ part: name }) });
  const invocations = stack.use(
    openInvocations({ ...shared, ...part('invocations'), environments, usage, settings: pool }),
  );
  const events = stack.use(new AsyncInvocations({ ...shared, ...part('events') }));
  const { targets } = events;
  const mappings = stack.use(
    new EventSourceMappings({
      ...shared,
      ...part('event-sources'),
      invoker: invocations,
      acceptor: events,
      targets,
      bucketFolder: (bucket) => (codeRoot === undefined ? undefined : hostPath(join(codeRoot, bucket))),
    }),
  );
  const schedules = stack.use(
    new Schedules({ ...shared, ...part('schedules'), targets, accountId: ACCOUNT_ID }),
  );
  functions.setTagged('event-source-mapping', {
    tags: (uuid) => mappings.get(uuid).mapping.tags,
    setTags: (uuid, tags) => mappings.setTags(uuid, tags),
  });
  events.start(invocations);
  mappings.start();
  schedules.start();
  return {
    lambda: [
      ...invocationOperations({ catalog, invoker: invocations, acceptor: events }),
      ...eventSourceOperations(mappings),
    ],
    scheduler: schedulerOperations(schedules, clock),
    socketRoutes: invocationRoutes({ invocations, catalog, random }),
    urlSite: (door) => functionUrlSite({ catalog, invoker: invocations, clock, random, door }),
  };
}
