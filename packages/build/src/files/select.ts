import { type BigIntStats, fstatSync } from 'node:fs';
import { SlipwayError } from '@slipway/base';
import { createIgnoreMatcher, type IgnoreMatcher } from '@slipway/dockerfile';
import { syscalls } from '@slipway/store';
import type { FileAction } from '../graph.ts';
import { childNames, cleanPath, expandSource, fromLatin1, joinPath, openChild, type Tree } from './tree.ts';

/** Which files of a tree something takes: what a COPY says, or a mount's source. */
export type Selection = Pick<
  Extract<FileAction, { kind: 'copy' }>,
  'source' | 'excludes' | 'contentsOnly' | 'parents' | 'allowNothing'
>;

/** One of what a selection's source names. */
export interface Match {
  /** Within the tree. */
  readonly path: string;
  /** What is kept of the path below the destination: all behind the pivot `/./` with `parents`, else the last name. */
  readonly kept: string;
}

/** A file or folder within a match. `fd` is open with O_PATH, until the next one is asked for. */
export interface Selected {
  /** Below the match; empty for the match itself. */
  readonly path: string;
  readonly fd: number;
  readonly stats: BigIntStats;
}

/**
 * What the source names, in order.
 * @throws NotFound when it names nothing, and nothing is not allowed
 */
export function matchSelection(tree: Tree, selection: Selection): Match[] {
  const pivot = selection.parents ? selection.source.indexOf('/./') : -1;
  const droppedParts = pivot < 0 ? 0 : partsOf(selection.source.slice(0, pivot)).length;
  const matches = expandSource(tree, selection.source).map((path) => ({
    path,
    kept: selection.parents ? partsOf(path).slice(droppedParts).join('/') : (partsOf(path).at(-1) ?? ''),
  }));
  if (matches.length > 0 || selection.allowNothing) return matches;
  throw new SlipwayError(
    'NotFound',
    `failed to compute cache key: "/${cleanPath(selection.source)}": not found; it is not there, or .dockerignore leaves it out`,
    { reason: 'BUILD_SOURCE_NOT_FOUND' },
  );
}

/** What is in a match, a folder before what it holds; a link within stays a link, the match itself was followed. */
export function* walkMatch(tree: Tree, match: Match, excludes: readonly string[]): Generator<Selected> {
  const matcher = createIgnoreMatcher(excludes);
  const fd = tree.open(match.path);
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isDirectory()) {
      if (!matcher(fromLatin1(match.kept), false).ignored) yield { path: '', fd, stats };
      return;
    }
    yield { path: '', fd, stats };
    yield* walkFolder(fd, '', matcher, []);
  } finally {
    syscalls.close(fd);
  }
}

/** `waiting`: folders that are excluded, and come after all when something in them does not. */
function* walkFolder(
  folder: number,
  prefix: string,
  matcher: IgnoreMatcher,
  waiting: Selected[],
): Generator<Selected> {
  for (const name of childNames(folder)) {
    const path = joinPath(prefix, name);
    // Whether it is a folder is known once it is open, which what can hold nothing that is kept need not be.
    const { ignored, mayHaveKept } = matcher(fromLatin1(path), true);
    if (ignored && !mayHaveKept) continue;
    const fd = openChild(folder, name);
    if (fd === undefined) continue;
    try {
      const stats = fstatSync(fd, { bigint: true });
      const selected = { path, fd, stats };
      if (ignored) {
        if (!stats.isDirectory()) continue;
        yield* walkFolder(fd, path, matcher, [...waiting, selected]);
        continue;
      }
      for (const parent of waiting.splice(0)) yield parent;
      yield selected;
      if (stats.isDirectory()) yield* walkFolder(fd, path, matcher, []);
    } finally {
      syscalls.close(fd);
    }
  }
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');
