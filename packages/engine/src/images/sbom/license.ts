import { SPDX } from '@cyclonedx/cyclonedx-library';

/** `GPL-2.0-only WITH Classpath-exception-2.0`, `(MIT OR Apache-2.0) AND BSD-3-Clause` */
const TOKEN = /\s*([()]|[A-Za-z0-9.+-]+)/y;
const LONGEST = 2_000;
const DEEPEST = 50;

/**
 * SPDX's name of what a Debian copyright file calls by a short name, where both mean the same; else that name.
 * @see https://dep-team.pages.debian.net/deps/dep5/#license-short-name
 */
export function fromDebianLicense(name: string): string {
  if (name === 'Expat') return 'MIT';
  const [, family, major, minor = '0', later] = /^([AL]?GPL)-(\d)(?:\.(\d))?(\+)?$/.exec(name) ?? [];
  const id = family === undefined ? name : `${family}-${major}.${minor}-${later ? 'or-later' : 'only'}`;
  return SPDX.fixupSpdxId(id) ?? name;
}

/** Whether the text is one licence of SPDX's list. */
export const isSpdxId = (text: string): boolean => SPDX.isSupportedSpdxId(text);

/**
 * Whether the text is an SPDX licence expression of licences on SPDX's list.
 * @see https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
 */
export function isSpdxExpression(text: string): boolean {
  const tokens = text.length > LONGEST ? undefined : tokenize(text.trim());
  if (tokens === undefined) return false;
  let at = 0;
  const next = (...wanted: readonly string[]): boolean => {
    if (!wanted.includes(tokens[at] ?? '')) return false;
    at++;
    return true;
  };
  const one = (depth: number): boolean => {
    if (next('(')) return depth < DEEPEST && compound(depth + 1) && next(')');
    const id = tokens[at++] ?? '';
    if (!isSpdxId(id) && !(id.endsWith('+') && isSpdxId(id.slice(0, -1)))) return false;
    return !next('WITH') || /^[A-Za-z0-9.-]+$/.test(tokens[at++] ?? '');
  };
  const compound = (depth: number): boolean => {
    if (!one(depth)) return false;
    while (next('AND', 'OR')) if (!one(depth)) return false;
    return true;
  };
  return compound(0) && at === tokens.length;
}

function tokenize(text: string): string[] | undefined {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const [, token] = TOKEN.exec(text) ?? [];
    if (token === undefined) return undefined;
    tokens.push(token);
  }
  return tokens;
}
