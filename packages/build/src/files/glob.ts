/**
 * Whether one path component fits a pattern of Go's `filepath.Match`: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a character
 * that is meant as itself.
 */
export function globToRegExp(pattern: string): RegExp {
  return new RegExp(`^${translate(pattern)}$`, 'su');
}

export const hasWildcard = (pattern: string): boolean => /[*?[\\]/.test(pattern);

/**
 * Who is left out by patterns as `.dockerignore` has them: `**` crosses folders, `!` takes back what an earlier line left out,
 * a folder that fits takes along what is in it. The last pattern that fits decides.
 * @see https://docs.docker.com/build/concepts/context/#syntax
 */
export class Exclusions {
  readonly #rules: readonly { readonly excludes: boolean; readonly regExp: RegExp }[];
  /** Whether something within an excluded folder may be taken back. */
  readonly hasExceptions: boolean;

  constructor(patterns: readonly string[]) {
    this.#rules = patterns.flatMap((line) => {
      const excludes = !line.startsWith('!');
      const clean = (excludes ? line : line.slice(1)).trim().replace(/^\/+|\/+$/g, '');
      return clean === '' ? [] : [{ excludes, regExp: new RegExp(`^${translate(clean)}(?:/.*)?$`, 'su') }];
    });
    this.hasExceptions = this.#rules.some(({ excludes }) => !excludes);
  }

  excludes(path: string): boolean {
    return this.#rules.findLast(({ regExp }) => regExp.test(path))?.excludes ?? false;
  }
}

/** A pattern as the body of a regular expression. */
function translate(pattern: string): string {
  let body = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (pattern.startsWith('**/', at)) {
      body += '(?:.*/)?';
      at += 2;
    } else if (pattern.startsWith('**', at)) {
      body += '.*';
      at++;
    } else if (char === '*') body += '[^/]*';
    else if (char === '?') body += '[^/]';
    else if (char === '[') {
      const end = closingBracket(pattern, at);
      if (end === undefined) body += '\\[';
      else {
        body += characterClass(pattern.slice(at + 1, end));
        at = end;
      }
    } else if (char === '\\' && at + 1 < pattern.length) body += literal(pattern[++at] as string);
    else body += literal(char);
  }
  return body;
}

function closingBracket(pattern: string, open: number): number | undefined {
  for (let at = open + 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === ']' && at > open + 1) return at;
  }
  return undefined;
}

function characterClass(inside: string): string {
  const negated = /^[\^!]/.test(inside);
  const members = (negated ? inside.slice(1) : inside)
    .replace(/\\(.)/gsu, '$1')
    .replace(/[\\\]^[&~|]/g, (special) => `\\${special}`);
  return `[${negated ? '^/' : ''}${members}]`;
}

const literal = (char: string): string => char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
