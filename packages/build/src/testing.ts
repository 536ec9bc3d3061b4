/** What the tests of this package share: a real store and runtime, a busybox image, and a client with files in a folder. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { type HostPath, hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import {
  type ChainId,
  computeDigest,
  type Descriptor,
  type DiffId,
  hostPlatform,
  type ImageConfig,
  MediaType,
} from '@slipway/oci';
import { openRuntime, type Runtime } from '@slipway/runtime';
import { openStore, packDirectory, type Store } from '@slipway/store';
import type { FileAction, Operation, RunOperation, Vertex } from './graph.ts';
import { openSolver } from './solve/open-solver.ts';
import type { BaseImage, BuildEvent, BuildHost, BuildResult, BuildSession, Solver } from './solver.ts';

const SHIM = join(import.meta.dirname, '../../../native/shim');
const PLATFORM = hostPlatform();

export interface SolverBench extends AsyncDisposable {
  readonly root: string;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly solver: Solver;
  readonly session: BuildSession;
  /** What the client has; `write` puts files there. */
  readonly context: string;
  readonly secrets: Map<string, Buffer>;
  readonly events: BuildEvent[];
  readonly fetches: string[];
  /** How often the client was asked for its files. */
  readonly syncs: { count: number };
  write(name: string, content: string): void;
  solve(vertex: Vertex, options?: { signal?: AbortSignal; solver?: Solver }): Promise<BuildResult>;
  /** A further solver over the same data, as after the daemon was restarted. */
  reopen(): Promise<Solver>;
  /** The files of a result that a command in it prints. */
  read(result: BuildResult, path: string): Promise<string>;
  output(): string;
  /** Titles of the steps and sources that were made, and not found, since the last call; images are left out. */
  made(): string[];
}

/** @param reopen the root of a bench whose process was killed */
export async function openSolverBench(name: string, reopen?: string): Promise<SolverBench> {
  execFileSync(join(SHIM, 'build.sh'));
  const root = reopen ?? mkdtempSync(`/tmp/slipway-build-${name}-`);
  const cgroupParent = `/slipway-test-${basename(root)}`;
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const store = await openStore({ root: join(root, 'data'), ...common });
  const runtime = await openRuntime({
    runRoot: hostPath(join(root, 'run')),
    shimPath: join(SHIM, 'build/slipway-shim'),
    runtimes: {},
    quickenCgroups: false,
    clock: systemClock,
    logger: silentLogger,
  });
  const fetches: string[] = [];
  const imageFile = join(root, 'image.json');
  if (reopen === undefined) writeFileSync(imageFile, JSON.stringify(await makeBusyboxImage(store)));
  const image = JSON.parse(readFileSync(imageFile, 'utf8')) as BaseImage;
  const host: BuildHost = {
    resolveImage: async () => image,
    async fetchImage(reference) {
      fetches.push(reference);
      return image;
    },
    openNetwork: async () => {
      throw new Error('steps of these tests take no network');
    },
  };
  const open = () =>
    openSolver({
      ...common,
      store,
      runtime,
      host,
      root: hostPath(join(root, 'data/build')),
      config: { cgroupParent },
    });
  const context = join(root, 'context');
  mkdirSync(context, { recursive: true });
  const secrets = new Map<string, Buffer>();
  const syncs = { count: 0 };
  const session: BuildSession = {
    sharedKey: 'client',
    async syncLocal(_source, folder) {
      syncs.count++;
      syncFolder(context, folder);
    },
    secret: async (id) => secrets.get(id),
    sshAgent: async () => undefined,
    credentials: async () => undefined,
  };
  const solver = await open();
  const events: BuildEvent[] = [];
  let seen = 0;
  return {
    root,
    store,
    runtime,
    solver,
    session,
    context,
    secrets,
    events,
    fetches,
    syncs,
    write(path, content) {
      mkdirSync(join(context, path, '..'), { recursive: true });
      writeFileSync(join(context, path), content);
    },
    solve: (vertex, { signal = new AbortController().signal, solver: other = solver } = {}) =>
      other.solve(vertex, { session, signal, onEvent: (event) => void events.push(event) }),
    reopen: open,
    async read(result, path) {
      const top = result.layers.at(-1)?.chainId as string;
      const id = `read-${systemRandom.hex(8)}`;
      const bundle = hostPath(join(root, id));
      mkdirSync(bundle);
      await using sandbox = await runtime.open({ id, bundle, rootfs: await store.snapshots.mounts(top) }, {});
      return execFileSync('/bin/sh', ['-c', `cd "$0" && ${path}`, sandbox.rootfs], { encoding: 'utf8' });
    },
    output: () =>
      Buffer.concat(events.flatMap((event) => (event.kind === 'log' ? [event.bytes] : []))).toString(),
    made() {
      const fresh = events.slice(seen);
      seen = events.length;
      return fresh.flatMap((event) =>
        event.kind === 'vertex' &&
        event.completedAtMs !== undefined &&
        !event.cached &&
        !event.error &&
        !event.title.startsWith('FROM ')
          ? [event.title]
          : [],
      );
    },
    async [Symbol.asyncDispose]() {
      await solver[Symbol.asyncDispose]();
      await runtime.sweep(new Set());
      await runtime[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      rmSync(root, { recursive: true, force: true });
      for (const controller of ['', ...readdirSync('/sys/fs/cgroup')]) {
        const folder = join('/sys/fs/cgroup', controller, cgroupParent);
        if (existsSync(folder)) rmdirSync(folder);
      }
    },
  };
}

/** Nothing of a step under way is left: no snapshot but those of so many that failed, no bundle or secret. */
export async function assertNothingUnderWay({ root, store }: SolverBench, failedSteps = 0): Promise<void> {
  const active = (await Array.fromAsync(store.snapshots.list())).filter(({ kind }) => kind !== 'committed');
  assert.equal(active.length, failedSteps, `left: ${active.map(({ key }) => key)}`);
  assert.deepEqual(readdirSync(join(root, 'data/build/run')), []);
  assert.deepEqual(readdirSync(join(root, 'run/s')), []);
}

/** As a client's transfer would, with the times of the client. */
function syncFolder(from: string, folder: HostPath): void {
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name), { recursive: true });
  }
  cpSync(from, folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
}

async function makeBusyboxImage(store: Store): Promise<BaseImage> {
  const mounts = await store.snapshots.prepare('base-in-the-making', undefined);
  const layer = mounts.upper as string;
  for (const folder of ['bin', 'etc', 'tmp']) mkdirSync(join(layer, folder), { recursive: true });
  copyFileSync('/bin/busybox', join(layer, 'bin/busybox'));
  for (const applet of [
    'sh',
    'cat',
    'ls',
    'sleep',
    'echo',
    'true',
    'mkdir',
    'stat',
    'env',
    'rm',
    'find',
    'touch',
    'id',
  ]) {
    symlinkSync('busybox', join(layer, 'bin', applet));
  }
  writeFileSync(join(layer, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n');
  writeFileSync(join(layer, 'etc/group'), 'root:x:0:\nstaff:x:50:\n');
  await using ingest = await store.content.ingest();
  for await (const chunk of packDirectory(layer)) await ingest.write(chunk);
  const { digest, sizeBytes } = await ingest.commit();
  await store.snapshots.commit(digest, 'base-in-the-making');
  const manifest: Descriptor = {
    mediaType: MediaType.ociManifest,
    digest: computeDigest('manifest'),
    size: 8,
  };
  const blob: Descriptor = { mediaType: MediaType.ociLayer, digest, size: sizeBytes };
  return {
    manifest,
    config: {} as ImageConfig,
    layers: [{ diffId: digest as DiffId, chainId: digest as string as ChainId, blob }],
  };
}

const vertexOf = (operation: Operation, inputs: readonly Vertex[], title: string): Vertex => ({
  operation,
  inputs,
  title,
  ignoreCache: false,
  platform: PLATFORM,
});

export const scratch = (): Vertex => vertexOf({ kind: 'scratch' }, [], 'scratch');

export const busybox = (): Vertex =>
  vertexOf(
    {
      kind: 'image',
      reference: 'busybox',
      manifest: { mediaType: MediaType.ociManifest, digest: computeDigest('manifest'), size: 8 },
    },
    [],
    'FROM busybox',
  );

export const local = (): Vertex =>
  vertexOf({ kind: 'local', name: 'context', excludes: [], followPaths: [] }, [], 'context');

export function run(
  input: Vertex,
  command: string,
  more: Partial<RunOperation> = {},
  others: Vertex[] = [],
): Vertex {
  const operation: RunOperation = {
    kind: 'run',
    args: ['/bin/sh', '-c', command],
    env: [],
    cwd: '/',
    user: '',
    network: 'none',
    security: 'sandbox',
    mounts: [],
    hiddenEnv: [],
    extraHosts: [],
    hostname: undefined,
    shmSizeBytes: 0,
    ulimits: [],
    ...more,
  };
  return vertexOf(operation, [input, ...others], `RUN ${command}`);
}

type CopyAction = Extract<FileAction, { kind: 'copy' }>;

export function copy(
  input: Vertex,
  from: Vertex,
  source: string,
  destination: string,
  more: Partial<CopyAction> = {},
): Vertex {
  const action: CopyAction = {
    kind: 'copy',
    from: 1,
    source,
    destination,
    owner: undefined,
    mode: undefined,
    contentsOnly: true,
    unpack: false,
    parents: false,
    excludes: [],
    allowNothing: false,
    ...more,
  };
  return vertexOf({ kind: 'files', actions: [action] }, [input, from], `COPY ${source} ${destination}`);
}

/** What `COPY --link` is: made on nothing, and put on top. */
export const linked = (input: Vertex, from: Vertex, source: string, destination: string): Vertex =>
  vertexOf({ kind: 'merge' }, [input, copy(scratch(), from, source, destination)], 'LINK');

export const mkdir = (input: Vertex, path: string): Vertex =>
  vertexOf(
    { kind: 'files', actions: [{ kind: 'mkdir', path, owner: undefined, mode: 0o755 }] },
    [input],
    `WORKDIR ${path}`,
  );
