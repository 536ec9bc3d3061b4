import { constants, fstatSync } from 'node:fs';
import { isSlipwayError, nextTurn } from '@slipway/base';
import type { ChainId } from '@slipway/oci';
import { type Lease, syscalls } from '@slipway/store';
import type { Layers } from '../cache/records.ts';
import { childNames, openChild } from '../files/tree.ts';
import { readXattrs } from '../files/xattrs.ts';
import { chainIdOn, topChainId } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';
import { openPlainWorkspace } from './rootfs.ts';

const { O_DIRECTORY } = constants;
const { AT_FDCWD, close, fchmodat, fchownat, linkat, lsetxattr, mkdirat, O_PATH, openat, utimensat } =
  syscalls;

const FILES_PER_TURN = 256;

/**
 * The layers of `linked` on top of `below`: the same blobs, and snapshots that have the same files, not copies of them. What
 * was made on nothing hides nothing, so that it needs no look at what is below.
 */
export async function mergeLayers(
  context: SolverContext,
  below: Layers,
  linked: Layers,
  { lease, signal }: { readonly lease: Lease; readonly signal: AbortSignal },
): Promise<Layers> {
  const { snapshots } = context.store;
  let layers = below;
  for (const layer of linked) {
    const chainId = chainIdOn(layers, layer.diffId);
    lease.add({ blobs: [layer.blob.digest], snapshots: [chainId] });
    if ((await snapshots.find(chainId)) === undefined) {
      try {
        await linkLayer(context, layer, { chainId, below: layers, signal });
      } catch (error) {
        if (!isSlipwayError(error, 'AlreadyExists')) throw error;
      }
    }
    layers = [...layers, { ...layer, chainId }];
  }
  return layers;
}

async function linkLayer(
  context: SolverContext,
  layer: Layers[number],
  { chainId, below, signal }: { chainId: ChainId; below: Layers; signal: AbortSignal },
): Promise<void> {
  const { snapshots, database } = context.store;
  const parent = topChainId(below);
  if (await snapshots.linkImage(chainId, layer.chainId, parent)) return;
  await using workspace = await openPlainWorkspace(context, parent);
  await linkTree(await snapshots.upperPath(layer.chainId), workspace.rootfs, signal);
  const usage = await snapshots.usage(layer.chainId);
  await database.relaxed(() => snapshots.commit(chainId, workspace.key, { usage }));
}

/** Gives a folder the files of another under a second name each; folders are made as they are there. */
async function linkTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  let files = 0;
  const linkFolder = async (fromFd: number, toFd: number): Promise<void> => {
    for (const child of childNames(fromFd)) {
      if (++files % FILES_PER_TURN === 0) {
        await nextTurn();
        signal.throwIfAborted();
      }
      const name = Buffer.from(child, 'latin1');
      using source = opened(openChild(fromFd, child) as number);
      const stats = fstatSync(source.fd, { bigint: true });
      if (!stats.isDirectory()) {
        linkat(fromFd, name, toFd, name);
        continue;
      }
      mkdirat(toFd, name, 0o700);
      fchownat(toFd, name, Number(stats.uid), Number(stats.gid));
      fchmodat(toFd, name, Number(stats.mode & 0o7777n));
      using made = opened(openat(toFd, name, O_PATH | O_DIRECTORY));
      for (const [key, value] of readXattrs(source.fd)) {
        lsetxattr(`/proc/self/fd/${made.fd}/.`, key, value, 'follow');
      }
      await linkFolder(source.fd, made.fd);
      utimensat(toFd, name, stats.mtimeNs, stats.mtimeNs);
    }
  };
  using source = opened(openat(AT_FDCWD, from, O_PATH | O_DIRECTORY));
  using target = opened(openat(AT_FDCWD, to, O_PATH | O_DIRECTORY));
  await linkFolder(source.fd, target.fd);
}

const opened = (fd: number): Disposable & { readonly fd: number } => ({
  fd,
  [Symbol.dispose]: () => close(fd),
});
