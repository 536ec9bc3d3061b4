import { readdirSync } from 'node:fs';
import type { Clock, Logger, Random } from '@slipway/base';
import { EventBus } from '@slipway/engine/events';
import { dockerDialect, type Route, serve } from '@slipway/http';
import type { Config } from './config.ts';
import { loadEngineId } from './engine-id.ts';
import { lockRoot } from './root-lock.ts';
import { clearSocketPath, protectSocket } from './socket-file.ts';
import { readHostFacts } from './system/host.ts';
import { type SystemContext, SystemService, systemRoutes } from './system/index.ts';
import { readCommit, SLIPWAY_VERSION } from './version.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

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

  const systemContext: SystemContext = {
    clock,
    config,
    events,
    host: readHostFacts(),
    engineId: loadEngineId(config.dataRoot, random),
    version: SLIPWAY_VERSION,
    commit: readCommit(),
    runtimes: new Map(),
    defaultRuntime: '',
    counts: () => ({ running: 0, paused: 0, stopped: 0, images: 0 }),
    usage: {
      layersSizeBytes: async () => 0,
      images: async () => [],
      containers: async () => [],
      volumes: async () => [],
    },
    openFiles: () => readdirSync('/proc/self/fd').length,
  };
  const system = new SystemService(systemContext);

  const routes: readonly Route[] = [...systemRoutes(system, systemContext)];
  const dialect = dockerDialect(SLIPWAY_VERSION);
  stack.use(await serve({ listen: { socketPath: config.socketPath }, routes, dialect, clock, logger }));
  protectSocket(config.socketPath, config.socketGroup);
  return stack.move();
}
