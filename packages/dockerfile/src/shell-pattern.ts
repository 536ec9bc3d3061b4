/**
 * Patterns of `${x#pattern}` and its like: `*` is any text, `?` any character, a backslash takes their meaning. They are
 * followed character by character, all ways at once, so no pattern is slow on any value.
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html#tag_18_13
 */
type Token =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'is'; readonly char: string };

function readPattern(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] as string;
    if (char === '*') tokens.push({ kind: 'any' });
    else if (char === '?') tokens.push({ kind: 'one' });
    else if (char === '\\' && at + 1 < chars.length) tokens.push({ kind: 'is', char: chars[++at] as string });
    else tokens.push({ kind: 'is', char });
  }
  return tokens;
}

/** How many characters from `from` fit the whole pattern, the fewest or the most; undefined when none do. */
function matchLength(
  tokens: readonly Token[],
  chars: readonly string[],
  from: number,
  longest: boolean,
): number | undefined {
  let states = reach(new Set([0]), tokens);
  let found: number | undefined;
  for (let at = from; ; at++) {
    if (states.has(tokens.length)) {
      found = at - from;
      if (!longest) return found;
    }
    if (at >= chars.length || states.size === 0) return found;
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === undefined) continue;
      if (token.kind === 'any') next.add(state);
      // As a dot of a regular expression, `?` is no end of a line.
      else if (token.kind === 'one' ? chars[at] !== '\n' : token.char === chars[at]) next.add(state + 1);
    }
    states = reach(next, tokens);
  }
}

/** The states with those behind a `*`, which may stand for nothing. */
function reach(states: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const state of states) if (tokens[state]?.kind === 'any') states.add(state + 1);
  return states;
}

/** `${x#pattern}`, or `##` for the longest. */
export function stripPrefix(value: string, pattern: string, longest: boolean): string {
  const chars = [...value];
  const length = matchLength(readPattern(pattern), chars, 0, longest) ?? 0;
  return chars.slice(length).join('');
}

/** `${x%pattern}`, or `%%` for the longest: a prefix, read backwards. */
export function stripSuffix(value: string, pattern: string, longest: boolean): string {
  const chars = [...value].reverse();
  const length = matchLength(readPattern(pattern).reverse(), chars, 0, longest) ?? 0;
  return chars.slice(length).reverse().join('');
}

/** `${x/pattern/replacement}`, or `//` for all: the leftmost fit, and of those the longest. */
export function substitute(value: string, pattern: string, replacement: string, all: boolean): string {
  const tokens = readPattern(pattern);
  const chars = [...value];
  let result = '';
  let at = 0;
  while (at < chars.length) {
    const length = matchLength(tokens, chars, at, true);
    // Nothing that is replaced by something would be replaced for ever.
    if (length === undefined || length === 0) {
      result += chars[at++];
      continue;
    }
    result += replacement;
    at += length;
    if (!all) break;
  }
  return result + chars.slice(at).join('');
}
