import { SlipwayError } from '@slipway/base';

/** A pattern for paths. Paths are relative, with `/` between their parts. */
export interface Glob {
  matches(path: string): boolean;
  /** Whether a path below this folder could match. */
  mayMatchBelow(folder: string): boolean;
}

export interface GlobOptions {
  /** `**` stands for any number of folders. Without it it is a `*`, as for Go's `filepath.Match`. */
  readonly doubleStar: boolean;
}

type Token =
  | { readonly kind: 'char'; readonly char: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'star' }
  /** Anything, across folders. */
  | { readonly kind: 'all' }
  /** `**` with something behind it: nothing, or folders to their `/`. The state behind it, `inFolders`, is in one of them. */
  | { readonly kind: 'folders' }
  | { readonly kind: 'inFolders' }
  | {
      readonly kind: 'set';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [string, string])[];
    };

/**
 * Reads a pattern: `*` and `?` within one part of a path, `[a-z]`, `[^a]`, a backslash before what is meant as itself, and
 * `**`. No pattern is slow on any path: all ways to match are followed at once.
 * @throws InvalidArgument for a set without its end, or a backslash before nothing
 * @see https://pkg.go.dev/path/filepath#Match
 */
export function createGlob(pattern: string, options: GlobOptions): Glob {
  const tokens = readTokens(pattern, options);
  const chars = tokens.map((token) => (token.kind === 'char' ? token.char : undefined));
  const special = chars.indexOf(undefined);
  if (special < 0) {
    const text = chars.join('');
    return {
      matches: (path) => path === text,
      mayMatchBelow: (folder) => text.startsWith(`${folder}/`),
    };
  }
  const prefix = chars.slice(0, special).join('');
  const suffix = chars.slice(chars.lastIndexOf(undefined) + 1).join('');
  return {
    matches: (path) =>
      path.startsWith(prefix) && path.endsWith(suffix) && follow(tokens, path).has(tokens.length),
    mayMatchBelow: (folder) => {
      const states = follow(tokens, `${folder}/`);
      states.delete(tokens.length);
      return states.size > 0;
    },
  };
}

/** Whether a path is a pattern for `createGlob`. */
export function hasWildcard(path: string): boolean {
  return /[*?[]/.test(path.replace(/\\./gs, ''));
}

/** A path of a pattern that has none, with its backslashes taken away. */
export const unescapeGlob = (path: string): string => path.replace(/\\(.)/gs, '$1');

function readTokens(pattern: string, { doubleStar }: GlobOptions): Token[] {
  const chars = [...pattern];
  const tokens: Token[] = [];
  // A leading `**` before plain text asks only how the path ends: `**.go` is `a.go` too.
  if (doubleStar && /^\*\*[^/*?[\]\\][^*?[\]\\]*$/u.test(pattern)) {
    return [{ kind: 'all' }, ...chars.slice(2).map((char): Token => ({ kind: 'char', char }))];
  }
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*' && doubleStar && chars[at + 1] === '*') {
      at += chars[at + 2] === '/' ? 2 : 1;
      if (at + 1 === chars.length) tokens.push({ kind: 'all' });
      else tokens.push({ kind: 'folders' }, { kind: 'inFolders' });
    } else if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'one' });
    else if (char === '[') {
      const { set, end } = readSet(pattern, chars, at + 1);
      tokens.push(set);
      at = end;
    } else {
      if (char === '\\' && ++at >= chars.length) throw badPattern(pattern);
      tokens.push({ kind: 'char', char: chars[at] as string });
    }
  }
  return tokens;
}

function readSet(pattern: string, chars: readonly string[], from: number) {
  let at = from;
  const negated = chars[at] === '^';
  if (negated) at++;
  const ranges: [string, string][] = [];
  const read = (): string => {
    if (chars[at] === '\\') at++;
    const char = chars[at++];
    if (char === undefined) throw badPattern(pattern);
    return char;
  };
  while (ranges.length === 0 || chars[at] !== ']') {
    if (chars[at] === ']' || chars[at] === '-') throw badPattern(pattern);
    const low = read();
    if (chars[at] === '-') at++;
    else {
      ranges.push([low, low]);
      continue;
    }
    if (chars[at] === ']') throw badPattern(pattern);
    ranges.push([low, read()]);
  }
  const set: Token = { kind: 'set', negated, ranges };
  return { set, end: at };
}

/** The states that a path leads to; the last of them, `tokens.length`, is a match. */
function follow(tokens: readonly Token[], path: string): Set<number> {
  let states = reach(new Set([0]), tokens);
  for (const char of path) {
    if (states.size === 0) break;
    const next = new Set<number>();
    for (const state of states) step(tokens[state], state, char, next);
    states = reach(next, tokens);
  }
  return states;
}

/** The states with those that need no character: behind a star, and on both sides of `**`. */
function reach(states: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const state of states) {
    const kind = tokens[state]?.kind;
    if (kind === 'star' || kind === 'all' || kind === 'folders') states.add(state + 1);
    if (kind === 'folders') states.add(state + 2);
  }
  return states;
}

function step(token: Token | undefined, state: number, char: string, next: Set<number>): void {
  switch (token?.kind) {
    case 'char':
      if (token.char === char) next.add(state + 1);
      break;
    case 'one':
      if (char !== '/') next.add(state + 1);
      break;
    case 'star':
      if (char !== '/') next.add(state);
      break;
    case 'all':
      next.add(state);
      break;
    case 'inFolders':
      next.add(state);
      if (char === '/') next.add(state + 1);
      break;
    case 'set':
      if (token.ranges.some(([low, high]) => low <= char && char <= high) !== token.negated)
        next.add(state + 1);
      break;
  }
}

const badPattern = (pattern: string) =>
  new SlipwayError('InvalidArgument', `syntax error in pattern "${pattern}"`, { reason: 'DOCKERFILE' });
