export {
  CACHE_CONFIG_TYPE,
  type CacheDocument,
  DIFF_ID_ANNOTATION,
  readCacheConfig,
  readInlineCache,
  writeCacheConfig,
  writeInlineCache,
} from './cache/cache-config.ts';
export { FailedStepError } from './debug/failed-steps.ts';
export type * from './graph.ts';
export { emulatedPlatforms } from './operations/emulation.ts';
export * from './plan/index.ts';
export { type OpenSolverOptions, openSolver } from './solve/open-solver.ts';
export type * from './solver.ts';
export { vertexDigest } from './vertex-digest.ts';
