import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type HostPath, hostPath, type Logger, type Random } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Runtime } from '@slipway/runtime';
import type { Store } from '@slipway/store';
import { CacheMounts } from '../cache/cache-mounts.ts';
import { Folders } from '../cache/folders.ts';
import { listCache, pruneCache } from '../cache/prune.ts';
import { CacheRecords, type ResultRecord } from '../cache/records.ts';
import { FailedSteps } from '../debug/failed-steps.ts';
import { openDebugSession } from '../debug/open-session.ts';
import { FileHashes } from '../files/hash.ts';
import { KEY_PREFIX } from '../operations/rootfs.ts';
import type { BuildHost, BuildResult, Solver } from '../solver.ts';
import type { SolverContext } from './context.ts';
import { SharedSteps } from './shared-steps.ts';
import { Solve } from './solve.ts';

export interface OpenSolverOptions {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly host: BuildHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `DATA/build`; made when it is not there. On the file system of the snapshots. */
  readonly root: HostPath;
  readonly config: {
    /** Where the cgroups of steps go, e.g. `/slipway`. */
    readonly cgroupParent: string;
  };
}

const SIGKILL = 9;

/** Opens the solver over its cache, and takes away what an earlier process left in the middle of a step. */
export async function openSolver(options: OpenSolverOptions): Promise<Solver> {
  const { store, runtime, host, clock, random, logger, root, config } = options;
  const folderOf = (name: string) => {
    const path = hostPath(join(root, name));
    mkdirSync(path, { recursive: true, mode: 0o711 });
    return path;
  };
  const runRoot = folderOf('run');
  // Named by the data root, for two daemons may share the machine.
  const secretRoot = hostPath(
    `/dev/shm/slipway-build-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`,
  );
  await sweep({ store, runtime, runRoot, secretRoot });
  const records = new CacheRecords(store.database);
  records.removeUnreachable();
  const folders = new Folders(folderOf('folders'), { records, clock, random });
  const context: SolverContext = {
    store,
    runtime,
    host,
    clock,
    random,
    logger,
    runRoot,
    secretRoot,
    emptyPath: folderOf('empty'),
    cgroupParent: config.cgroupParent,
    records,
    folders,
    cacheMounts: new CacheMounts(folders),
    hashes: new FileHashes(),
    failedSteps: new FailedSteps(options),
    steps: new SharedSteps<ResultRecord>(),
    inUse: new Map(),
  };
  return {
    async solve(vertex, solveOptions) {
      const [result] = await new Solve(context, solveOptions).run([vertex]);
      return result as BuildResult;
    },
    solveAll: (vertices, solveOptions) => new Solve(context, solveOptions).run(vertices),
    listFailedSteps: () => context.failedSteps.list(),
    debug: (id, debugOptions) => openDebugSession(context, id, debugOptions),
    removeFailedStep: (id) => context.failedSteps.remove(id),
    listCache: () => listCache(context),
    prune: (pruneOptions) => pruneCache(context, pruneOptions),
    roots() {
      const blobs = new Set<Digest>();
      const snapshots = new Set<string>();
      for (const { layers } of records.listResults()) {
        for (const { blob, chainId } of layers) {
          blobs.add(blob.digest);
          snapshots.add(chainId);
        }
      }
      return { blobs: [...blobs], snapshots: [...snapshots] };
    },
    async [Symbol.asyncDispose]() {
      await context.steps.idle();
      await context.failedSteps[Symbol.asyncDispose]();
    },
  };
}

/** Containers, snapshots and folders of steps that will never end. */
async function sweep({
  store,
  runtime,
  runRoot,
  secretRoot,
}: Pick<SolverContext, 'store' | 'runtime' | 'runRoot' | 'secretRoot'>): Promise<void> {
  for (const key of readdirSync(runRoot)) {
    const bundle = hostPath(join(runRoot, key));
    const found = await runtime.adopt({ id: key, bundle });
    if (found !== undefined && 'task' in found) {
      await found.task.signal(SIGKILL).catch(() => {});
      await found.task.exited;
      await found.task.delete();
    }
    rmSync(bundle, { recursive: true, force: true });
  }
  for await (const { key, kind } of store.snapshots.list()) {
    if (kind === 'active' && key.startsWith(KEY_PREFIX)) await store.snapshots.remove(key);
  }
  rmSync(secretRoot, { recursive: true, force: true });
}
