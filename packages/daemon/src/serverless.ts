import { join } from 'node:path';
import { AWS_SERVICES } from '@slipway/api/aws';
import { type HostPath, hostPath } from '@slipway/base';
import type { Accounts } from '@slipway/engine/accounts';
import type { ContainerService } from '@slipway/engine/containers';
import type { NetworkService } from '@slipway/engine/networks';
import type { Route, Site } from '@slipway/http';
import { type AwsDoor, type AwsOperation, awsSite, sqsQuerySite } from '@slipway/serverless/aws';
import {
  EnvironmentService,
  environmentRoutes,
  LocalCompute,
  TemporaryDisks,
} from '@slipway/serverless/environments';
import { LogService, logOperations } from '@slipway/serverless/logs';
import { Queues, queueOperations } from '@slipway/serverless/queues';
import { UsageService, usageRoutes } from '@slipway/serverless/usage';
import { type DaemonOptions, type Floors, SHIM_PATH } from './floors.ts';
import { downloadSite, type FunctionGround, openFunctionSlice, withPackages } from './functions.ts';
import { openInvoking } from './invoking.ts';

/** What the slices of `serverless` serve. */
export interface Serverless {
  /** On the TCP port, where requests are signed. */
  readonly doorSites: readonly Site[];
  /** On the TCP port, before any page is turned away: function URLs, which have rules of their own. */
  readonly openSites: readonly Site[];
  /** On the Unix socket, whose rights are the lock. */
  readonly socketSites: readonly Site[];
  /** Slipway's own API, beside Docker's on the Unix socket. */
  readonly socketRoutes: readonly Route[];
}

/** What functions stand on. */
interface Below extends Floors, Omit<FunctionGround, 'prepareRuntime'> {
  readonly accounts: Accounts;
  readonly networks: NetworkService;
  readonly containers: ContainerService;
}

/** The operations of each service, from whatever slice. */
type Operations = Readonly<Record<keyof typeof AWS_SERVICES, readonly AwsOperation[]>>;

/** Opens the slices in the order in which they need each other, on the stack. */
export async function openServerless(
  options: DaemonOptions,
  engine: Below,
  stack: AsyncDisposableStack,
): Promise<Serverless> {
  const { config, clock, random, logger } = options;
  if (config.acceptsAnyAccessKey) {
    logger.warn({}, '--accept-any-access-key: WHOEVER REACHES THE PORT may do everything with functions');
  }
  const { accounts, store, runtime, networking, images, networks, containers } = engine;
  const { database } = store;
  const below = (name: string): HostPath => hostPath(join(config.dataRoot, 'functions', name));
  const logs = stack.use(
    await LogService.open({
      database,
      root: below('logs'),
      clock,
      logger: logger.child({ part: 'logs' }),
      settings: { groupMaxBytes: config.functions.logGroupMaxBytes },
    }),
  );
  const usage = stack.use(
    new UsageService({
      database,
      root: below('usage'),
      clock,
      logger: logger.child({ part: 'usage' }),
      settings: config.functions.usage,
    }),
  );
  const shimPath = hostPath(SHIM_PATH);
  const disks = new TemporaryDisks({
    root: below('disks'),
    shimPath,
    clock,
    logger: logger.child({ part: 'environments' }),
  });
  const environments = stack.use(
    await EnvironmentService.open({
      clock,
      random,
      logger: logger.child({ part: 'environments' }),
      compute: new LocalCompute({ containers, networks, networking, runtime, disks }),
      images,
      writer: logs,
      shimPath,
      scratchRoot: below('scratch'),
    }),
  );
  const functions = stack.use(
    await openFunctionSlice(options, {
      ...engine,
      prepareRuntime: (name, { signal }) => environments.prepareRuntime(name, { signal }),
    }),
  );
  const queues = stack.use(new Queues({ database, clock, random }));
  const invoking = openInvoking(options, { store, functions, environments, queues, usage }, stack);
  const operations: Operations = {
    lambda: [...functions.operations, ...invoking.lambda],
    logs: logOperations(logs, clock),
    sqs: queueOperations(queues),
    scheduler: invoking.scheduler,
  };
  const asks = config.acceptsAnyAccessKey ? 'any-signature' : 'signature';
  return {
    doorSites: [
      downloadSite(options, functions),
      ...sitesOf(options, accounts, operations, asks),
      sqsQuerySite(),
    ],
    openSites: [invoking.urlSite({ asks, accounts, clock })],
    socketSites: sitesOf(options, accounts, operations, 'socket'),
    socketRoutes: [
      ...usageRoutes(usage, clock),
      ...environmentRoutes(environments, functions.catalog),
      ...invoking.socketRoutes,
    ],
  };
}

function sitesOf(
  { config, clock, random, logger }: DaemonOptions,
  accounts: Accounts,
  operations: Operations,
  asks: AwsDoor['asks'],
): readonly Site[] {
  const services = Object.keys(AWS_SERVICES) as (keyof Operations)[];
  return services.map((name) =>
    awsSite(withPackages(AWS_SERVICES[name], config), operations[name], {
      asks,
      accounts,
      clock,
      random,
      logger: logger.child({ part: name }),
    }),
  );
}
