import type { Clock, HostPath, Logger, Random } from '@slipway/base';
import type { Runtime } from '@slipway/runtime';
import type { Store } from '@slipway/store';
import type { CacheMounts } from '../cache/cache-mounts.ts';
import type { Folders } from '../cache/folders.ts';
import type { CacheRecords, ResultRecord } from '../cache/records.ts';
import type { FailedSteps } from '../debug/failed-steps.ts';
import type { FileHashes } from '../files/hash.ts';
import type { BuildHost } from '../solver.ts';
import type { SharedSteps } from './shared-steps.ts';

/** What the parts of the solver share. */
export interface SolverContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly host: BuildHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Bundles of running steps are here. */
  readonly runRoot: HostPath;
  /** In memory only: what a step may know and no disk. */
  readonly secretRoot: HostPath;
  /** An empty folder: the file system of `scratch`. */
  readonly emptyPath: HostPath;
  readonly cgroupParent: string;
  readonly records: CacheRecords;
  readonly folders: Folders;
  readonly cacheMounts: CacheMounts;
  readonly hashes: FileHashes;
  readonly failedSteps: FailedSteps;
  readonly steps: SharedSteps<ResultRecord>;
  /** How many solves use a result or folder, by id. */
  readonly inUse: Map<string, number>;
}
