import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath, isSlipwayError, SlipwayError } from '@slipway/base';
import type { ChainId } from '@slipway/oci';
import type { Sandbox, Task } from '@slipway/runtime';
import type { RootfsMount } from '@slipway/store';
import type { Layers } from '../cache/records.ts';
import { Tree } from '../files/tree.ts';
import { topChainId } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';

/** What snapshots and sandboxes of builds are named with, so that those which a crash leaves are found. */
export const KEY_PREFIX = 'build-';

/** A step's root file system while it works on it: a snapshot. Disposing takes away all of it that was not committed. */
export interface Workspace extends AsyncDisposable {
  readonly key: string;
  readonly bundle: HostPath;
  readonly rootfs: HostPath;
  /** Disposing leaves the snapshot, whose key is the caller's from now on. */
  keepSnapshot(): void;
  /** Runs its container, with the snapshot as its root: once. @throws FailedPrecondition where it is not mounted */
  start(options: Parameters<Sandbox['start']>[0]): Promise<Task>;
  unmount(): Promise<void>;
}

export async function openWorkspace(
  context: SolverContext,
  layers: Layers,
  signal: AbortSignal,
): Promise<Workspace> {
  await using undo = new AsyncDisposableStack();
  const { key, bundle } = openBundle(context, undo);
  const mounts = await context.store.snapshots.prepare(key, topChainId(layers));
  const snapshot = undo.use(ownSnapshot(context, key));
  const sandbox = undo.use(await openSandbox(context, { key, bundle, mounts }, signal));
  return mounted({ key, bundle, sandbox }, snapshot, undo.move());
}

/** A snapshot that a step has left, mounted again. Disposing leaves it as it has become. */
export async function reopenWorkspace(
  context: SolverContext,
  snapshotKey: string,
  signal: AbortSignal,
): Promise<Workspace> {
  await using undo = new AsyncDisposableStack();
  const { key, bundle } = openBundle(context, undo);
  const mounts = await context.store.snapshots.mounts(snapshotKey);
  const sandbox = undo.use(await openSandbox(context, { key, bundle, mounts }, signal));
  return mounted({ key, bundle, sandbox }, { keep: () => {} }, undo.move());
}

function openSandbox(
  { runtime, emptyPath }: SolverContext,
  { key, bundle, mounts }: { readonly key: string; readonly bundle: HostPath; readonly mounts: RootfsMount },
  signal: AbortSignal,
): Promise<Sandbox> {
  const rootfs = mounts.lower.length === 0 ? { ...mounts, lower: [emptyPath] } : mounts;
  return runtime.open({ id: key, bundle, rootfs }, { signal });
}

const mounted = (
  { key, bundle, sandbox }: { readonly key: string; readonly bundle: HostPath; readonly sandbox: Sandbox },
  { keep: keepSnapshot }: { keep(): void },
  held: AsyncDisposable,
): Workspace => ({
  key,
  bundle,
  rootfs: sandbox.rootfs,
  keepSnapshot,
  start: (options) => sandbox.start(options),
  unmount: async () => sandbox[Symbol.asyncDispose](),
  [Symbol.asyncDispose]: async () => held[Symbol.asyncDispose](),
});

/** Removes the snapshot when it is disposed, unless it is to be kept. */
function ownSnapshot(context: SolverContext, key: string): AsyncDisposable & { keep(): void } {
  let isKept = false;
  return {
    keep: () => {
      isKept = true;
    },
    async [Symbol.asyncDispose]() {
      if (!isKept) await removeSnapshot(context, key);
    },
  };
}

/**
 * One over `parent` that need not be mounted, for only what is put there counts. So no folder in it says that it hides what
 * may be below it, as overlayfs has those that it makes itself.
 */
export async function openPlainWorkspace(
  context: SolverContext,
  parent: ChainId | undefined,
): Promise<Workspace> {
  await using undo = new AsyncDisposableStack();
  const { key, bundle } = openBundle(context, undo);
  await context.store.snapshots.prepare(key, parent);
  const snapshot = undo.use(ownSnapshot(context, key));
  const rootfs = await context.store.snapshots.upperPath(key);
  const held = undo.move();
  return {
    key,
    bundle,
    rootfs,
    keepSnapshot: snapshot.keep,
    start: () => Promise.reject(new SlipwayError('FailedPrecondition', `${key} is not mounted`)),
    unmount: async () => {},
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** The files of layers, to read. */
export async function openView(
  context: SolverContext,
  layers: Layers,
  signal: AbortSignal,
): Promise<AsyncDisposable & { readonly tree: Tree }> {
  await using undo = new AsyncDisposableStack();
  const top = topChainId(layers);
  let path: string = context.emptyPath;
  if (top !== undefined) {
    const { key, bundle } = openBundle(context, undo);
    const rootfs = await context.store.snapshots.mounts(top);
    path = undo.use(await context.runtime.open({ id: key, bundle, rootfs }, { signal })).rootfs;
  }
  const tree = undo.use(new Tree(path));
  const held = undo.move();
  return { tree, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function openBundle({ random, runRoot }: SolverContext, undo: AsyncDisposableStack) {
  const key = `${KEY_PREFIX}${random.hex(16)}`;
  const bundle = hostPath(join(runRoot, key));
  mkdirSync(bundle, { mode: 0o700 });
  undo.defer(() => rmSync(bundle, { recursive: true, force: true }));
  return { key, bundle };
}

async function removeSnapshot({ store }: SolverContext, key: string): Promise<void> {
  try {
    await store.snapshots.remove(key);
  } catch (error) {
    // It was committed, and has another name now.
    if (!isSlipwayError(error, 'NotFound')) throw error;
  }
}
