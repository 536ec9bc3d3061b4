import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, type Logger, type Random, SlipwayError } from '@slipway/base';
import { type Networks, openNetworks } from '@slipway/network';
import { openRuntime, type Runtime } from '@slipway/runtime';
import { openStore, type Store } from '@slipway/store';
import type { Config } from './config.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the engine stands on. */
export interface Floors {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly networking: Networks;
}

/** The built `slipway-shim`. */
export const SHIM_PATH = fileURLToPath(new URL('../../../native/shim/build/slipway-shim', import.meta.url));

/**
 * Opens store, runtime and network side by side; `stack` closes them. When one fails, the others are closed too.
 * @throws FailedPrecondition when the shim was not built
 */
export async function openFloors(
  { config, clock, random, logger }: DaemonOptions,
  stack: AsyncDisposableStack,
): Promise<Floors> {
  if (!existsSync(SHIM_PATH)) {
    throw new SlipwayError('FailedPrecondition', `the shim ${SHIM_PATH} is not built; run script/setup`);
  }
  const { dataRoot, runRoot, runtimes, defaultRuntime } = config;
  const opening = [
    openStore({
      root: dataRoot,
      layerForm: config.layerForm,
      clock,
      random,
      logger: logger.child({ part: 'store' }),
    }),
    openRuntime({
      runRoot,
      shimPath: SHIM_PATH,
      withoutSystemd: fileURLToPath(
        new URL('../../../native/without-systemd/build/libsystemd.so.0', import.meta.url),
      ),
      runtimes,
      defaultRuntime,
      quickenCgroups: !config.keepCgroupMode,
      clock,
      logger: logger.child({ part: 'runtime' }),
    }),
    openNetworks({
      runRoot: join(runRoot, 'net'),
      tableName: tableName(config),
      bridgeName: config.bridgeName,
      clock,
      random,
      logger: logger.child({ part: 'network' }),
    }),
  ] as const;
  for (const result of await Promise.allSettled(opening)) {
    if (result.status === 'fulfilled') stack.use(result.value);
  }
  const [store, runtime, networking] = await Promise.all(opening);
  return { store, runtime, networking };
}

/** The bridge's name is what tells daemons on one host apart, so it names the table of packet rules too. */
const tableName = ({ bridgeName }: Config): string =>
  bridgeName === 'slipway0' ? 'slipway' : `slipway_${bridgeName.replace(/\W/g, '_')}`;
