import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { ContextEntry } from '@slipway/api/build-session';
import { createIgnoreMatcher, type IgnoreMatcher } from '@slipway/dockerfile/ignore';

/**
 * The files of a context, but for those that are ignored, a folder before what is in it. Folders that are ignored come when
 * something in them is not.
 * @throws Node's kind of error for what cannot be read
 */
export function* walkContext(folder: string, excludes: readonly string[]): Generator<ContextEntry> {
  yield* walk({ root: folder, matches: createIgnoreMatcher(excludes), inodes: new Map() }, '', []);
}

interface Walk {
  readonly root: string;
  readonly matches: IgnoreMatcher;
  /** The first path of each file that has several. */
  readonly inodes: Map<string, string>;
}

/** `waiting`: the ignored folders above, which nothing has needed yet. */
function* walk(context: Walk, folder: string, waiting: ContextEntry[]): Generator<ContextEntry> {
  for (const name of readdirSync(join(context.root, folder)).sort()) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const { ignored, mayHaveKept } = context.matches(path, true);
    if (ignored && !mayHaveKept) continue;
    const full = join(context.root, path);
    const stats = lstatSync(full, { throwIfNoEntry: false });
    // It has vanished meanwhile.
    if (stats === undefined) continue;
    const entry = toEntry(context, path, full, stats);
    if (entry === undefined) continue;
    if (stats.isDirectory()) {
      if (ignored) yield* walk(context, path, [...waiting, entry]);
      else {
        yield* waiting.splice(0);
        yield entry;
        yield* walk(context, path, []);
      }
    } else if (!ignored) {
      yield* waiting.splice(0);
      yield entry;
    }
  }
}

/** Undefined for what no image can hold. */
function toEntry({ inodes }: Walk, path: string, full: string, stats: Stats): ContextEntry | undefined {
  const { mode, size, mtimeMs } = stats;
  if (stats.isSymbolicLink()) return { path, mode, size: 0, mtimeMs, link: readlinkSync(full) };
  if (stats.isDirectory()) return { path, mode, size: 0, mtimeMs };
  if (!stats.isFile()) return undefined;
  if (stats.nlink === 1) return { path, mode, size, mtimeMs };
  const inode = `${stats.dev}:${stats.ino}`;
  const link = inodes.get(inode);
  if (link === undefined) inodes.set(inode, path);
  return { path, mode, size, mtimeMs, ...(link === undefined ? {} : { link }) };
}
