import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import { createGlob, type Glob } from './glob.ts';

export interface IgnoreVerdict {
  readonly ignored: boolean;
  /** For a folder: whether something below it may be kept, so that it has to be walked though it is ignored. */
  readonly mayHaveKept: boolean;
}

/** Asked with paths relative to the context's root, `a/b`. */
export type IgnoreMatcher = (path: string, isDirectory: boolean) => IgnoreVerdict;

/**
 * The patterns of a `.dockerignore`, cleaned, `!` before those that keep.
 * @see https://docs.docker.com/build/concepts/context/#syntax
 */
export function parseIgnoreFile(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  return lines.flatMap((line) => {
    const trimmed = line.trim();
    if (line.startsWith('#') || trimmed === '') return [];
    const keeps = trimmed.startsWith('!');
    const pattern = keeps ? trimmed.slice(1).trim() : trimmed;
    return [`${keeps ? '!' : ''}${pattern === '' ? '' : cleanPattern(pattern)}`];
  });
}

const cleanPattern = (pattern: string): string => {
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, '');
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
};

interface Rule {
  readonly keeps: boolean;
  readonly glob: Glob;
}

/**
 * Reads patterns as moby does: they are tried in order, the last that fits a path or a folder above it decides.
 * @throws InvalidArgument for a pattern that cannot be read, and for `!` alone
 */
export function createIgnoreMatcher(patterns: readonly string[]): IgnoreMatcher {
  const rules = patterns.flatMap(readRule);
  const keeping = rules.filter(({ keeps }) => keeps);
  const hitsOf = memoizeFolders<readonly boolean[]>((path, above) =>
    rules.map(({ glob }, index) => above?.[index] === true || glob.matches(path)),
  );
  return (path, isDirectory) => {
    const hits = hitsOf(path);
    const last = rules.findLastIndex((_, index) => hits[index] === true);
    const ignored = last >= 0 && !(rules[last] as Rule).keeps;
    return {
      ignored,
      mayHaveKept: isDirectory && (!ignored || keeping.some(({ glob }) => glob.mayMatchBelow(path))),
    };
  };
}

function readRule(pattern: string): Rule[] {
  const trimmed = pattern.trim();
  if (trimmed === '') return [];
  const keeps = trimmed.startsWith('!');
  if (trimmed === '!') {
    throw new SlipwayError('InvalidArgument', 'illegal exclusion pattern: "!"', { reason: 'DOCKERFILE' });
  }
  return [
    { keeps, glob: createGlob(cleanPattern(keeps ? trimmed.slice(1) : trimmed), { doubleStar: true }) },
  ];
}

/** Folders whose answer is remembered; a walk asks for one after the other, so few are needed at once. */
const MOST_FOLDERS = 4096;

/** Asks `answer` for a path with the answer for the folder above it, which is remembered. */
function memoizeFolders<T>(answer: (path: string, above: T | undefined) => T): (path: string) => T {
  const folders = new Map<string, T>();
  const above = (path: string): T | undefined => {
    const slash = path.lastIndexOf('/');
    if (slash <= 0) return undefined;
    const folder = path.slice(0, slash);
    const known = folders.get(folder);
    if (known !== undefined) return known;
    const found = answer(folder, above(folder));
    if (folders.size >= MOST_FOLDERS) folders.clear();
    folders.set(folder, found);
    return found;
  };
  return (path) => answer(path, above(path));
}
