import { Flaw } from './error.ts';
import type { Escape } from './instructions.ts';

const SPACE = /\s/;

/**
 * Splits at spaces outside quotes. Quotes and escapes stay in the words: what they mean is the expansion's to say.
 * `open` tells of a quote that never ended.
 */
export function splitWords(
  line: string,
  token: Escape,
): { readonly words: string[]; readonly open: boolean } {
  const words: string[] = [];
  let word = '';
  let quoted = false;
  let quote = '';
  const end = () => {
    if (word !== '' || quoted) words.push(word);
    word = '';
    quoted = false;
  };
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string;
    if (char === token && quote !== "'") {
      // At the end of the line it escapes nothing and is dropped.
      if (at + 1 < line.length) word += char + line[++at];
    } else if (quote !== '') {
      word += char;
      if (char === quote) quote = '';
    } else if (SPACE.test(char)) {
      end();
    } else {
      if (char === '"' || char === "'") {
        quote = char;
        quoted = true;
      }
      word += char;
    }
  }
  end();
  return { words, open: quote !== '' };
}

/** Splits at spaces alone, as FROM, EXPOSE, COPY and VOLUME do. */
export const splitAtSpaces = (line: string): string[] => (line === '' ? [] : line.split(/[\t\v\f\r ]+/));

/** The words that begin with `--`, without quotes and escapes, and the rest of the line. */
export function takeFlags(line: string): { readonly flags: string[]; readonly rest: string } {
  const flags: string[] = [];
  let at = 0;
  while (at < line.length) {
    while (at < line.length && SPACE.test(line[at] as string)) at++;
    if (!line.startsWith('--', at)) break;
    const read = readUnquoted(line, at);
    if (read.word === '--') return { flags, rest: line.slice(read.end).trimStart() };
    flags.push(read.word);
    at = read.end;
  }
  return { flags, rest: line.slice(at) };
}

function readUnquoted(line: string, from: number): { readonly word: string; readonly end: number } {
  let word = '';
  let quote = '';
  let at = from;
  for (; at < line.length; at++) {
    const char = line[at] as string;
    if (quote === '' && SPACE.test(char)) break;
    if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === '\\' && quote !== "'" && at + 1 < line.length) word += line[++at];
    else word += char;
  }
  return { word, end: at };
}

/**
 * An exec form's strings; undefined for what is no JSON array and so a line for the shell.
 * @throws {Flaw} for an array with something other than strings
 */
export function parseJsonWords(line: string): string[] | undefined {
  if (!line.trimStart().startsWith('[')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  if (!parsed.every((word) => typeof word === 'string')) {
    throw new Flaw('when using JSON array syntax, arrays must be comprised of strings only');
  }
  return parsed;
}
