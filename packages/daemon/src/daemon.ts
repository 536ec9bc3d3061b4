import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath } from '@slipway/base';
import { openSolver } from '@slipway/build';
import { registryRoutes } from '@slipway/distribution/server';
import { type AccountService, accountRoutes, openAccounts, tokenRoutes } from '@slipway/engine/accounts';
import {
  BuildService,
  buildRoutes,
  createBuildHost,
  openBuildKit,
  toBuildCache,
} from '@slipway/engine/build';
import { ContainerService } from '@slipway/engine/containers';
import { type Ecr, ecrRoutes, openEcr } from '@slipway/engine/ecr';
import { EventBus } from '@slipway/engine/events';
import { ImageService, imageRoutes, imageSummary } from '@slipway/engine/images';
import { type NetworkService, networkRoutes, openNetworkService } from '@slipway/engine/networks';
import { openRegistry, type Registry, registryAdminRoutes, searchRoutes } from '@slipway/engine/registry';
import { pullHandler, TransferService, transferRoutes } from '@slipway/engine/transfer';
import { openVolumes, type VolumeService, volumeRoutes, volumeUsage } from '@slipway/engine/volumes';
import {
  awsJsonDialect,
  dockerDialect,
  ociDialect,
  type Route,
  type ServeOptions,
  serve,
} from '@slipway/http';
import { hostPlatform } from '@slipway/oci';
import { keptZips } from '@slipway/serverless/functions';
import type { Config } from './config.ts';
import { loadEngineId } from './engine-id.ts';
import { type DaemonOptions, type Floors, openFloors } from './floors.ts';
import { registryClientOpener } from './registry-client.ts';
import { lockRoot } from './root-lock.ts';
import { openServerless, type Serverless } from './serverless.ts';
import { clearSocketPath, protectSocket } from './socket-file.ts';
import { type HostFacts, readHostFacts } from './system/host.ts';
import { type SystemContext, SystemService, systemRoutes } from './system/index.ts';
import { openTcpDoor } from './tcp-door.ts';
import { readCommit, SLIPWAY_VERSION } from './version.ts';

/** The engine's slices. */
interface Engine {
  readonly events: EventBus;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly networks: NetworkService;
  readonly containers: ContainerService;
  readonly accounts: AccountService;
  readonly registry: Registry;
  readonly ecr: Ecr;
  readonly transfer: TransferService;
  readonly builds: BuildService;
}

/** What the engine stands on, and what it must know of the doors that are opened after it. */
interface Ground extends Floors {
  readonly host: HostFacts;
  readonly isOwnPort: (port: number) => boolean;
}

/**
 * The engine and its doors, ready to be used. Disposing closes the doors first, then what they stand on; containers run
 * on unless the configuration says otherwise.
 * @throws Conflict when another daemon has one of the roots or the socket.
 */
export async function openDaemon(options: DaemonOptions): Promise<AsyncDisposable> {
  const { config, clock, logger } = options;
  await using stack = new AsyncDisposableStack();
  stack.use(lockRoot(config.runRoot, process.pid));
  stack.use(lockRoot(config.dataRoot, process.pid));
  await clearSocketPath(config.socketPath);

  const host = readHostFacts();
  const floors = await openFloors(options, stack);
  let ownPort: number | undefined;
  const engine = await openEngine(options, { ...floors, host, isOwnPort: (port) => port === ownPort }, stack);
  const serverless = await openServerless(options, { ...floors, ...engine }, stack);
  const docker = {
    dialect: dockerDialect(SLIPWAY_VERSION),
    routes: [...engineRoutes(options, floors, engine, host), ...serverless.socketRoutes],
  };
  const sites: ServeOptions['sites'] = [...serverless.socketSites, docker];
  stack.use(await serve({ listen: { socketPath: config.socketPath }, sites, clock, logger }));
  protectSocket(config.socketPath, config.socketGroup);
  const door = { open: serverless.openSites, sites: doorSites(options, engine, serverless) };
  ownPort = stack.use(await openTcpDoor(options, door, engine.accounts))?.port;
  return stack.move();
}

/** The slices in the order in which they need each other. */
async function openEngine(
  options: DaemonOptions,
  { store, runtime, networking, host, isOwnPort }: Ground,
  stack: AsyncDisposableStack,
): Promise<Engine> {
  const { config, clock, random, logger } = options;
  const { database, snapshots } = store;
  const below = (name: string): HostPath => hostPath(join(config.dataRoot, name));
  const events = new EventBus(clock);
  const images = new ImageService({
    store,
    events,
    clock,
    logger: logger.child({ part: 'images' }),
    scratchRoot: below('scratch'),
  });
  const volumes = await openVolumes({ database, root: below('volumes'), events, clock, random });
  const networks = await openNetworkService({
    database,
    networks: networking,
    events,
    clock,
    random,
    logger: logger.child({ part: 'networks' }),
    config: { bridgeName: config.bridgeName, bridgeAddress: config.bridgeAddress },
  });
  const containers = stack.use(
    await ContainerService.open({
      database,
      clock,
      random,
      logger: logger.child({ part: 'containers' }),
      events,
      images,
      volumes,
      networks,
      networking,
      runtime,
      snapshots,
      config: { ...containersConfig(config), root: below('containers'), cgroupVersion: host.cgroup.version },
    }),
  );
  const accounts = openAccounts({
    database,
    clock,
    random,
    logger: logger.child({ part: 'accounts' }),
    settings: { anonymousPull: config.registry.anonymousPull },
  });
  const openClient = registryClientOpener(options, stack);
  const registry = stack.use(
    await openRegistry({
      store,
      clock,
      random,
      logger: logger.child({ part: 'registry' }),
      settings: config.registry,
      openClient,
      collectStore: () => images.collectGarbage(),
    }),
  );
  images.setKeptBeside(() => [...registry.keptBlobs(), ...keptZips(database)]);
  const ecr = stack.use(
    openEcr({ registry, accounts, database, clock, logger: logger.child({ part: 'ecr' }) }),
  );
  const transfer = stack.use(
    new TransferService({
      store,
      images,
      events,
      clock,
      random,
      logger: logger.child({ part: 'transfer' }),
      openClient,
      isOwnRegistry: (domain) => isOwnPort(loopbackPort(domain)),
    }),
  );
  const builds = await openBuilds(
    options,
    { images, transfer, networks, events, store, runtime, networking },
    stack,
  );
  await images.recover();
  if (config.stopContainers) stack.defer(() => containers.stopAll());
  return { events, images, volumes, networks, containers, accounts, registry, ecr, transfer, builds };
}

/** The solver over its cache, and the slice that builds with it. */
async function openBuilds(
  { config, clock, random, logger }: DaemonOptions,
  {
    images,
    transfer,
    networks,
    events,
    store,
    runtime,
    networking,
  }: Floors & Pick<Engine, 'images' | 'transfer' | 'networks' | 'events'>,
  stack: AsyncDisposableStack,
): Promise<BuildService> {
  const root = hostPath(join(config.dataRoot, 'build'));
  const host = createBuildHost({
    images,
    transfer,
    networking,
    random,
    defaultNetworkId: () => networks.get('bridge').id,
    dns: { servers: config.dns, search: config.dnsSearch, options: config.dnsOptions },
  });
  const base = { store, runtime, clock, random, logger: logger.child({ part: 'build' }) };
  const solver = stack.use(
    await openSolver({
      ...base,
      host,
      root,
      config: { cgroupParent: config.cgroupParent },
    }),
  );
  images.setKeptByBuilds(() => solver.roots());
  return new BuildService({
    ...base,
    solver,
    host,
    images,
    transfer,
    events,
    scratchRoot: hostPath(join(root, 'scratch')),
    runRoot: hostPath(join(config.runRoot, 'build')),
  });
}

/** The port in a registry's name when it is this machine's. */
const loopbackPort = (domain: string): number =>
  Number(/^(?:localhost|127\.0\.0\.1):(\d+)$/.exec(domain)?.[1] ?? 'NaN');

const containersConfig = (config: Config) => ({
  runRoot: hostPath(join(config.runRoot, 'b')),
  placeholderRoot: hostPath(join(config.runRoot, 'placeholders')),
  initPath: config.initPath,
  cgroupParent: config.cgroupParent,
  dns: config.dns,
  dnsSearch: config.dnsSearch,
  dnsOptions: config.dnsOptions,
  logMaxSizeBytes: config.logMaxSizeBytes,
  logMaxFiles: config.logMaxFiles,
});

/** Everything that the engine serves. */
function engineRoutes(
  { config, clock, random, logger }: DaemonOptions,
  { runtime, store }: Floors,
  { events, images, volumes, networks, containers, accounts, registry, transfer, builds }: Engine,
  host: HostFacts,
): readonly Route[] {
  const context: SystemContext = {
    clock,
    config,
    events,
    host,
    engineId: loadEngineId(config.dataRoot, random),
    version: SLIPWAY_VERSION,
    commit: readCommit(),
    runtimes: runtime.runtimes,
    defaultRuntime: runtime.defaultName,
    layerForm: store.layerForm,
    counts: () => ({ ...containers.counts(), images: images.count }),
    usage: {
      layersSizeBytes: () => images.layersSizeBytes(),
      images: async (version) =>
        (await images.list({ filters: new Map(), sharedSize: true })).map((listed) => ({
          ...imageSummary(listed, version),
          Containers: listed.containers,
        })),
      containers: () => containers.usage(),
      volumes: () => volumeUsage(volumes),
      buildCache: async () => (await builds.solver.listCache()).map(toBuildCache),
    },
    openFiles: () => readdirSync('/proc/self/fd').length,
  };
  const buildkit = openBuildKit({
    builds,
    platform: hostPlatform(),
    workerId: context.engineId,
    version: SLIPWAY_VERSION,
    push: (request, signal) => transfer.push(request, signal),
    clock,
    logger: logger.child({ part: 'buildkit' }),
  });
  return [
    ...systemRoutes(new SystemService(context), context),
    ...imageRoutes(images, { pull: pullHandler(transfer) }),
    ...transferRoutes(transfer),
    ...buildRoutes(builds, { buildkit: buildkit.build }),
    ...buildkit.routes,
    ...volumeRoutes(volumes),
    ...networkRoutes(networks),
    ...containers.routes,
    ...accountRoutes(accounts),
    ...registryAdminRoutes(registry),
  ];
}

/** What the TCP port serves. */
const doorSites = (
  { random }: DaemonOptions,
  { accounts, registry, ecr }: Engine,
  serverless: Serverless,
): ServeOptions['sites'] => [
  ...serverless.doorSites,
  {
    dialect: awsJsonDialect({ version: '1.1', random }),
    matches: ({ headers }) => headers['x-amz-target'] !== undefined,
    routes: ecrRoutes(ecr),
  },
  {
    dialect: ociDialect(),
    routes: [
      ...registryRoutes({ backend: registry, doorkeeper: accounts }),
      ...searchRoutes(registry, accounts),
      ...tokenRoutes(accounts),
    ],
  },
];
