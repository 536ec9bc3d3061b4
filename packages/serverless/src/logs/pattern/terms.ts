import { invalid } from '../names.ts';
import { type Matcher, parseRegex, unquote } from './values.ts';

const TERM = /([?-]?)("(?:[^"\\]|\\.)*"|%[^%]*%|[^\s"%]+)\s*/y;

/** Words that must all be there; `?word`: one of these; `-word`: none of these. Capitals matter. */
export function parseTerms(text: string): Matcher {
  const all: Matcher[] = [];
  const any: Matcher[] = [];
  const none: Matcher[] = [];
  TERM.lastIndex = 0;
  while (TERM.lastIndex < text.length) {
    const at = TERM.lastIndex;
    const [, sign, term = ''] = TERM.exec(text) ?? [];
    if (term === '') throw invalid(`'filterPattern' is not understood at "${text.slice(at)}"`);
    const matcher = parseTerm(term);
    (sign === '?' ? any : sign === '-' ? none : all).push(matcher);
  }
  return (message) => {
    if (none.some((matches) => matches(message))) return false;
    // Beside words that must be there, those that may be there decide nothing.
    if (all.length > 0) return all.every((matches) => matches(message));
    return any.length === 0 || any.some((matches) => matches(message));
  };
}

function parseTerm(term: string): Matcher {
  if (term.startsWith('%')) {
    const regex = parseRegex(term.slice(1, -1));
    return (message) => regex.test(message);
  }
  const word = unquote(term);
  return (message) => message.includes(word);
}
