import { closeSync, constants, lstatSync, readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { type HostPath, isErrno, SlipwayError } from '@slipway/base';
import { lookupUser } from '@slipway/runtime';
import { openInRoot, syscalls } from '@slipway/store';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { noSuchFile, openContainerRoot, openPath, pathInRoot } from './container-root.ts';
import { extractInto } from './extract.ts';
import { packFolder } from './pack.ts';

/** What `X-Docker-Container-Path-Stat` tells, in Docker's names. @see Docker Engine API v1.51, ContainerArchiveInfo */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's FileMode bits. */
  readonly mode: number;
  readonly mtime: string;
  /** Where a symlink leads in the end, inside the container; empty for others. */
  readonly linkTarget: string;
}

/** What a path of the container is. @throws NotFound in Docker's words */
export async function statPath(
  context: ContainerContext,
  container: Container,
  path: string,
): Promise<PathStat> {
  await using root = await openContainerRoot(context, container);
  const { folder, name } = openPath(root.path, container, path);
  try {
    return statIn(root.path, container, path, folder, name);
  } finally {
    closeSync(folder);
  }
}

/**
 * A tar of a path of the container, its entries named after the path's last part; what is inside the folder for a path
 * that ends with `/.`.
 * @throws NotFound in Docker's words
 */
export async function readArchive(
  context: ContainerContext,
  container: Container,
  path: string,
): Promise<{ readonly stat: PathStat; readonly body: AsyncIterable<Uint8Array> }> {
  await using held = new AsyncDisposableStack();
  const root = held.use(await openContainerRoot(context, container));
  const { folder, name } = openPath(root.path, container, path);
  held.defer(() => closeSync(folder));
  const stat = statIn(root.path, container, path, folder, name);
  const release = held.move();
  const named = archiveNaming(path, name);
  return {
    stat,
    body: packFolder(folder, name, { ...named, release: () => release.disposeAsync() }),
  };
}

/** Entries of `/dir/` are named `dir/…`, those of `/` begin with a slash: what docker's clients rewrite from. */
function archiveNaming(path: string, name: string): { readonly rename?: string } {
  if (name !== '.' || path.endsWith('/.')) return {};
  const base = posix.basename(posix.join('/', path));
  return { rename: `s,^\\.,${base.replace(/[\\&,]/g, '\\$&')},` };
}

export interface WriteArchiveOptions {
  /** Refuse to put a folder where something else is, and the other way round. */
  readonly noOverwriteDirNonDir: boolean;
  /** Everything belongs to the container's user, rather than to whom the archive says. */
  readonly copyUidGid: boolean;
}

/**
 * Unpacks a tar, plain or compressed, into a folder of the container.
 * @throws NotFound; InvalidArgument when the path is no folder or the archive is none; PermissionDenied in Docker's words
 * when it is read-only there.
 */
export async function writeArchive(
  context: ContainerContext,
  container: Container,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  options: WriteArchiveOptions,
): Promise<void> {
  await using root = await openContainerRoot(context, container);
  const target = folderToWrite(root.path, container, path);
  const owner =
    options.copyUidGid && container.definition.config.User
      ? await lookupUser(root.path, container.definition.config.User, [])
      : undefined;
  await extractInto(root.path, target, archive, {
    noOverwriteDirNonDir: options.noOverwriteDirNonDir,
    owner,
  });
}

/** The folder's real path in the container. */
function folderToWrite(root: HostPath, container: Container, path: string): string {
  let folder: number;
  try {
    folder = openInRoot(root, posix.join('/', path), syscalls.O_PATH | constants.O_DIRECTORY);
  } catch (cause) {
    if (isErrno(cause, 'ENOTDIR')) {
      throw new SlipwayError('InvalidArgument', `extraction point is not a directory: ${path}`, { cause });
    }
    throw isErrno(cause, 'ENOENT', 'ELOOP') ? noSuchFile(container, path, cause) : cause;
  }
  try {
    const real = pathInRoot(root, folder);
    requireWritable(container, real);
    return real;
  } finally {
    closeSync(folder);
  }
}

function requireWritable({ definition }: Container, path: string): void {
  const mount = definition.mounts
    .filter(({ destination }) => path === destination || path.startsWith(`${destination}/`))
    .sort((a, b) => b.destination.length - a.destination.length)[0];
  if (mount === undefined && definition.hostConfig.ReadonlyRootfs === true) {
    throw new SlipwayError('PermissionDenied', 'container rootfs is marked read-only');
  }
  if (mount?.readWrite === false) {
    throw new SlipwayError('PermissionDenied', 'mounted volume is marked read-only');
  }
}

function statIn(root: HostPath, container: Container, path: string, folder: number, name: string): PathStat {
  const inFolder = `/proc/self/fd/${folder}/${name}`;
  let stats: Stats;
  try {
    stats = lstatSync(inFolder);
  } catch (cause) {
    throw isErrno(cause, 'ENOENT') ? noSuchFile(container, path, cause) : cause;
  }
  return {
    name: posix.basename(posix.join('/', path)) || '/',
    size: stats.size,
    mode: goFileMode(stats),
    mtime: stats.mtime.toISOString(),
    linkTarget: stats.isSymbolicLink() ? linkTarget(root, path, readlinkSync(inFolder)) : '',
  };
}

function linkTarget(root: HostPath, path: string, written: string): string {
  try {
    const file = openInRoot(root, posix.join('/', path), syscalls.O_PATH);
    try {
      return pathInRoot(root, file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    return posix.resolve(posix.dirname(posix.join('/', path)), written);
  }
}

/** @see https://pkg.go.dev/io/fs#FileMode */
export function goFileMode(stats: Pick<Stats, 'mode'>): number {
  const kinds: Readonly<Record<number, number>> = {
    [constants.S_IFDIR]: 2 ** 31,
    [constants.S_IFLNK]: 2 ** 27,
    [constants.S_IFBLK]: 2 ** 26,
    [constants.S_IFCHR]: 2 ** 26 + 2 ** 21,
    [constants.S_IFIFO]: 2 ** 25,
    [constants.S_IFSOCK]: 2 ** 24,
  };
  const { mode } = stats;
  return (
    (mode & 0o777) +
    (kinds[mode & constants.S_IFMT] ?? 0) +
    (mode & 0o4000 ? 2 ** 23 : 0) +
    (mode & 0o2000 ? 2 ** 22 : 0) +
    (mode & 0o1000 ? 2 ** 20 : 0)
  );
}
