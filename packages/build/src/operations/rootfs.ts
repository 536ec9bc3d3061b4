import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath, isSlipwayError } from '@slipway/base';
import type { ChainId } from '@slipway/oci';
import type { Sandbox } from '@slipway/runtime';
import type { Layers } from '../cache/records.ts';
import { Tree } from '../files/tree.ts';
import type { SolverContext } from '../solve/context.ts';

/** What snapshots and sandboxes of builds are named with, so that those which a crash leaves are found. */
export const KEY_PREFIX = 'build-';

/** A step's root file system while it works on it: a snapshot over its input, mounted in a sandbox. */
export interface Workspace extends AsyncDisposable {
  readonly key: string;
  readonly bundle: HostPath;
  readonly sandbox: Sandbox;
}

/** Disposing takes away all of it that was not committed. */
export async function openWorkspace(
  context: SolverContext,
  layers: Layers,
  signal: AbortSignal,
): Promise<Workspace> {
  const { store, runtime, emptyPath } = context;
  await using undo = new AsyncDisposableStack();
  const { key, bundle } = openBundle(context, undo);
  const mounts = await store.snapshots.prepare(key, topChainId(layers));
  undo.defer(() => removeSnapshot(context, key));
  const rootfs = mounts.lower.length === 0 ? { ...mounts, lower: [emptyPath] } : mounts;
  const sandbox = undo.use(await runtime.open({ id: key, bundle, rootfs }, { signal }));
  const held = undo.move();
  return { key, bundle, sandbox, [Symbol.asyncDispose]: () => held.disposeAsync() };
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

export const topChainId = (layers: Layers): ChainId | undefined => layers.at(-1)?.chainId;

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
