import { constants, fstatSync } from 'node:fs';
import { isErrno } from '@slipway/base';
import { syscalls } from '@slipway/store';
import { split } from '../files/destination.ts';
import { childNames, cleanPath, Tree, toLatin1 } from '../files/tree.ts';

const { close, openat2, unlinkat, utimensat, AT_REMOVEDIR, O_PATH, RESOLVE_BENEATH } = syscalls;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** Something that the runtime makes because something is mounted there, and what its folder was before. */
interface Stub {
  readonly path: string;
  /** Undefined where the folder is not there either. */
  readonly parent:
    | { readonly mtimeNs: bigint; readonly mode: bigint; readonly uid: bigint; readonly gid: bigint }
    | undefined;
}

/** The parts of mount points that a root file system does not have yet, outermost first. */
export function missingMountPoints(rootfs: string, destinations: readonly string[]): Stub[] {
  using tree = new Tree(rootfs);
  const stubs = new Map<string, Stub>();
  for (const destination of destinations) {
    const parts = cleanPath(toLatin1(destination)).split('/');
    for (let count = 1; count <= parts.length; count++) {
      const path = parts.slice(0, count).join('/');
      if (path === '' || stubs.has(path) || tree.stat(path) !== undefined) continue;
      stubs.set(path, { path, parent: tree.stat(split(path).parent) });
    }
  }
  return [...stubs.values()];
}

/**
 * Takes the mount points out of what a step has written, so that its layer has what the step did and nothing else. What the
 * step put into one stays.
 * @param upper the snapshot's own folder, mounted nowhere any more
 */
export function removeMountPoints(upper: string, stubs: readonly Stub[]): void {
  using tree = new Tree(upper);
  for (const { path, parent } of stubs.toReversed()) {
    const { parent: folder, base } = split(path);
    const fd = openBeneath(tree, folder);
    if (fd === undefined) continue;
    try {
      if (!removeEmpty(fd, base)) continue;
      if (parent !== undefined) utimensat(fd, '.', parent.mtimeNs, parent.mtimeNs);
    } finally {
      close(fd);
    }
    if (parent !== undefined) removeUntouched(tree, folder, parent);
  }
}

/** A folder that was copied up for a mount point alone, with nothing in it and as it was, is no change. */
function removeUntouched(tree: Tree, folder: string, before: NonNullable<Stub['parent']>): void {
  if (folder === '') return;
  const fd = openBeneath(tree, folder);
  if (fd === undefined) return;
  try {
    const { mode, uid, gid } = fstatSync(fd, { bigint: true });
    const opaque = syscalls.lgetxattr(`/proc/self/fd/${fd}`, 'trusted.overlay.opaque', 'follow');
    if (mode !== before.mode || uid !== before.uid || gid !== before.gid || opaque !== undefined) return;
    if (childNames(fd).length > 0) return;
  } finally {
    close(fd);
  }
  const { parent, base } = split(folder);
  const parentFd = openBeneath(tree, parent);
  if (parentFd === undefined) return;
  try {
    removeEmpty(parentFd, base);
  } finally {
    close(parentFd);
  }
}

function openBeneath(tree: Tree, folder: string): number | undefined {
  try {
    return openat2(
      tree.fd,
      Buffer.from(folder === '' ? '.' : folder, 'latin1'),
      O_PATH | O_DIRECTORY,
      RESOLVE_BENEATH,
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EXDEV', 'ELOOP')) return undefined;
    throw error;
  }
}

/** Removes an empty file or folder; answers whether it did. */
function removeEmpty(parentFd: number, base: string): boolean {
  const name = Buffer.from(base, 'latin1');
  try {
    const fd = openat2(parentFd, name, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH);
    let isFolder: boolean;
    try {
      const stats = fstatSync(fd);
      isFolder = stats.isDirectory();
      if (!isFolder && (!stats.isFile() || stats.size > 0)) return false;
    } finally {
      close(fd);
    }
    unlinkat(parentFd, name, isFolder ? AT_REMOVEDIR : 0);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}
