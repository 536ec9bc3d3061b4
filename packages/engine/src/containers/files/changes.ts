import type { Stats } from 'node:fs';
import { lstat, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '@slipway/base';
import { syscalls } from '@slipway/store';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';

/** Docker's numbers for what happened to a path. */
export const CHANGE_KIND = { modified: 0, added: 1, deleted: 2 } as const;

export interface Change {
  readonly Path: string;
  readonly Kind: 0 | 1 | 2;
}

/**
 * What the container did to the files of its image, by path.
 * @see https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories
 */
export async function changesOf(context: ContainerContext, container: Container): Promise<Change[]> {
  const { upper, lower } = await context.snapshots.mounts(container.definition.id);
  if (upper === undefined) return [];
  const changes: Change[] = [];
  await collect('/', { upper, lower, changes });
  return changes.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

interface Walk {
  readonly upper: string;
  /** Top first. */
  readonly lower: readonly string[];
  readonly changes: Change[];
}

/** Answers whether anything of the user's changed in the folder. */
async function collect(folder: string, walk: Walk): Promise<boolean> {
  let changed = false;
  for await (const entry of await opendir(join(walk.upper, folder))) {
    const path = join(folder, entry.name);
    const found = await lstat(join(walk.upper, path));
    if (isPlaceholder(path, found)) continue;
    if (found.isCharacterDevice() && found.rdev === 0) {
      walk.changes.push({ Path: path, Kind: CHANGE_KIND.deleted });
      changed = true;
      continue;
    }
    const existed = await existsBelow(path, walk.lower);
    const changedBelow = entry.isDirectory() && (await collect(path, walk));
    // A folder that was there is copied up when the engine puts its own files into it: that is no change of the user's.
    if (entry.isDirectory() && existed && !changedBelow && HOLDS_PLACEHOLDERS.has(path)) continue;
    walk.changes.push({ Path: path, Kind: existed ? CHANGE_KIND.modified : CHANGE_KIND.added });
    changed = true;
  }
  return changed;
}

/** What the engine and the runtime put into every container to have something to mount on, as long as it is empty. */
const PLACEHOLDERS = new Set([
  '/.dockerenv',
  '/dev/console',
  '/dev/pts',
  '/dev/shm',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
  '/proc',
  '/sbin/docker-init',
  '/sys',
]);
const HOLDS_PLACEHOLDERS = new Set(['/dev', '/etc', '/sbin']);

const isPlaceholder = (path: string, found: Stats): boolean =>
  PLACEHOLDERS.has(path) && (found.isFile() ? found.size === 0 : found.isDirectory());

/**
 * What in a container's writable layer is the engine's, not the user's: paths without the leading slash. Folders that hold
 * nothing else are among them.
 */
export async function placeholdersIn(upper: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (const path of PLACEHOLDERS) {
    const stats = await look(join(upper, path));
    if (stats !== undefined && isPlaceholder(path, stats)) found.add(path.slice(1));
  }
  for (const folder of HOLDS_PLACEHOLDERS) {
    const name = folder.slice(1);
    const stats = await look(join(upper, folder));
    if (stats?.isDirectory() !== true) continue;
    const names = await readdir(join(upper, folder));
    if (names.length > 0 && names.every((child) => found.has(`${name}/${child}`))) found.add(name);
  }
  return found;
}

/** Whether the layers below show something at this path: a whiteout or an opaque folder in a layer hides those under it. */
async function existsBelow(path: string, lower: readonly string[]): Promise<boolean> {
  const parts = path.split('/').filter(Boolean);
  for (const layer of lower) {
    let opaque = false;
    let at = layer;
    for (const [index, part] of parts.entries()) {
      at = join(at, part);
      const found = await look(at);
      if (found === undefined) break;
      if (found.isCharacterDevice() && found.rdev === 0) return false;
      if (index === parts.length - 1) return true;
      if (!found.isDirectory()) return false;
      opaque ||= syscalls.lgetxattr(at, 'trusted.overlay.opaque')?.toString() === 'y';
    }
    if (opaque) return false;
  }
  return false;
}

async function look(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
