import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hostPath } from '@slipway/base';
import { EventBus } from '@slipway/engine/events';
import { openVolumes, volumeRoutes, volumeUsage } from '@slipway/engine/volumes';
import { dockerDialect, type Route, serve } from '@slipway/http';
import { loadEngineId } from './engine-id.ts';
import { type DaemonOptions, openFloors } from './floors.ts';
import { lockRoot } from './root-lock.ts';
import { clearSocketPath, protectSocket } from './socket-file.ts';
import { readHostFacts } from './system/host.ts';
import { type SystemContext, SystemService, systemRoutes } from './system/index.ts';
import { readCommit, SLIPWAY_VERSION } from './version.ts';

/**
 * The engine and its doors, ready to be used. Disposing closes the doors first, then what they stand on; containers run
 * on unless the configuration says otherwise.
 * @throws Conflict when another daemon has one of the roots or the socket.
 */
export async function openDaemon({ config, clock, random, logger }: DaemonOptions): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  stack.use(lockRoot(config.runRoot, process.pid));
  stack.use(lockRoot(config.dataRoot, process.pid));
  await clearSocketPath(config.socketPath);

  const events = new EventBus(clock);
  const { store, runtime } = await openFloors({ config, clock, random, logger }, stack);
  const { database } = store;

  const volumes = await openVolumes({
    database,
    root: hostPath(join(config.dataRoot, 'volumes')),
    events,
    clock,
    random,
  });

  const systemContext: SystemContext = {
    clock,
    config,
    events,
    host: readHostFacts(),
    engineId: loadEngineId(config.dataRoot, random),
    version: SLIPWAY_VERSION,
    commit: readCommit(),
    runtimes: runtime.runtimes,
    defaultRuntime: runtime.defaultName,
    counts: () => ({ running: 0, paused: 0, stopped: 0, images: 0 }),
    usage: {
      layersSizeBytes: async () => 0,
      images: async () => [],
      containers: async () => [],
      volumes: () => volumeUsage(volumes),
    },
    openFiles: () => readdirSync('/proc/self/fd').length,
  };
  const system = new SystemService(systemContext);

  const routes: readonly Route[] = [...systemRoutes(system, systemContext), ...volumeRoutes(volumes)];
  const dialect = dockerDialect(SLIPWAY_VERSION);
  stack.use(await serve({ listen: { socketPath: config.socketPath }, routes, dialect, clock, logger }));
  protectSocket(config.socketPath, config.socketGroup);
  return stack.move();
}
