import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath, type Random } from '@slipway/base';
import type { BuildResult } from '@slipway/build';
import type { Runtime } from '@slipway/runtime';
import { packDirectory, type Store } from '@slipway/store';

export interface OpenFilesContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly random: Random;
  /** Of what lives as long as the process. */
  readonly runRoot: HostPath;
}

/** The file system that was built, all its layers as one folder. It may hold links: go through it without following any. */
export async function openFiles(
  { store, runtime, random, runRoot }: OpenFilesContext,
  { layers }: Pick<BuildResult, 'layers'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<AsyncDisposable & { readonly path: HostPath }> {
  await using undo = new AsyncDisposableStack();
  const id = `build-${random.hex(16)}`;
  const bundle = hostPath(join(runRoot, id));
  mkdirSync(bundle, { recursive: true, mode: 0o700 });
  undo.defer(() => rmSync(bundle, { recursive: true, force: true }));
  const top = layers.at(-1);
  if (top === undefined) {
    const empty = hostPath(join(bundle, 'empty'));
    mkdirSync(empty);
    const held = undo.move();
    return { path: empty, [Symbol.asyncDispose]: () => held.disposeAsync() };
  }
  const rootfs = await store.snapshots.mounts(top.chainId);
  const { rootfs: path } = undo.use(await runtime.open({ id, bundle, rootfs }, { signal }));
  const held = undo.move();
  return { path: hostPath(path), [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** The file system that was built as one archive. */
export async function* exportTar(
  context: OpenFilesContext,
  result: Pick<BuildResult, 'layers'>,
  options: { readonly signal: AbortSignal; readonly epochMs?: number | undefined },
): AsyncGenerator<Uint8Array> {
  const { signal, epochMs } = options;
  await using files = await openFiles(context, result, options);
  const latestNs = epochMs === undefined ? undefined : BigInt(epochMs) * 1_000_000n;
  yield* packDirectory(files.path, { signal, ...(latestNs === undefined ? {} : { latestNs }) });
}
