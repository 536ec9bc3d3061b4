import type { PoolSettings } from './pool.ts';

/** What holds when nobody says otherwise. `maxOpening` is for each processor. */
export const POOL_DEFAULTS: Omit<PoolSettings, 'maxMemoryMb'> = {
  maxEnvironments: 1000,
  maxOpening: 8,
  idleMs: 600_000,
  freezeMs: 25,
  fairMs: 250,
  maxWaiting: 500,
  maxAllWaiting: 2000,
  maxWaitMs: 10_000,
  maxPrepared: 4,
  forgetMs: 1_800_000,
};
