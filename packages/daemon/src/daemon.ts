import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath } from '@slipway/base';
import { ContainerService } from '@slipway/engine/containers';
import { EventBus } from '@slipway/engine/events';
import { ImageService, imageRoutes, imageSummary } from '@slipway/engine/images';
import { type NetworkService, networkRoutes, openNetworkService } from '@slipway/engine/networks';
import { openVolumes, type VolumeService, volumeRoutes, volumeUsage } from '@slipway/engine/volumes';
import { dockerDialect, type Route, serve } from '@slipway/http';
import type { Config } from './config.ts';
import { loadEngineId } from './engine-id.ts';
import { type DaemonOptions, type Floors, openFloors } from './floors.ts';
import { lockRoot } from './root-lock.ts';
import { clearSocketPath, protectSocket } from './socket-file.ts';
import { type HostFacts, readHostFacts } from './system/host.ts';
import { type SystemContext, SystemService, systemRoutes } from './system/index.ts';
import { readCommit, SLIPWAY_VERSION } from './version.ts';

/** The engine's slices. */
interface Engine {
  readonly events: EventBus;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly networks: NetworkService;
  readonly containers: ContainerService;
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
  const engine = await openEngine(options, floors, host, stack);
  const routes = engineRoutes(options, floors, engine, host);
  const dialect = dockerDialect(SLIPWAY_VERSION);
  stack.use(
    await serve({ listen: { socketPath: config.socketPath }, sites: [{ dialect, routes }], clock, logger }),
  );
  protectSocket(config.socketPath, config.socketGroup);
  return stack.move();
}

/** The slices in the order in which they need each other. */
async function openEngine(
  { config, clock, random, logger }: DaemonOptions,
  { store, runtime, networking }: Floors,
  host: HostFacts,
  stack: AsyncDisposableStack,
): Promise<Engine> {
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
  await images.recover();
  if (config.stopContainers) stack.defer(() => containers.stopAll());
  return { events, images, volumes, networks, containers };
}

const containersConfig = (config: Config) => ({
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
  { config, clock, random }: DaemonOptions,
  { runtime }: Floors,
  { events, images, volumes, networks, containers }: Engine,
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
    },
    openFiles: () => readdirSync('/proc/self/fd').length,
  };
  return [
    ...systemRoutes(new SystemService(context), context),
    ...imageRoutes(images),
    ...volumeRoutes(volumes),
    ...networkRoutes(networks),
    ...containers.routes,
  ];
}
