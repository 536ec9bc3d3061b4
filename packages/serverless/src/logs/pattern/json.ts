import { invalid } from '../names.ts';
import { type Comparison, type Matcher, parseTest } from './values.ts';

type Condition = (document: unknown) => boolean;

const TOKEN =
  /\s*(&&|\|\||\(|\)|!=|<=|>=|=|<|>|"(?:[^"\\]|\\.)*"|%[^%]*%|\$(?:\.[\w-]+|\[(?:\d+|\*|'[^']*'|"[^"]*")\])*|[^\s()"%=<>!&|]+)/y;

/** `{ ($.level = "error" || $.status >= 500) && $.user.name NOT EXISTS }`, on lines that are JSON objects. */
export function parseJsonPattern(text: string): Matcher {
  if (!text.endsWith('}')) throw invalid(`'filterPattern' begins with { and does not end with }`);
  const condition = new ConditionParser(text.slice(1, -1).trim()).parse();
  return (message) => {
    if (!/^\s*[{[]/.test(message)) return false;
    try {
      return condition(JSON.parse(message));
    } catch {
      // A line that is no JSON has no members.
      return false;
    }
  };
}

class ConditionParser {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const token = TOKEN.exec(text)?.[1];
      if (token === undefined) throw invalid(`'filterPattern' is not understood at "${text.slice(at)}"`);
      this.#tokens.push(token);
    }
  }

  parse(): Condition {
    const condition = this.#either();
    const left = this.#tokens[this.#at];
    if (left !== undefined) throw invalid(`'filterPattern' has "${left}" too much`);
    return condition;
  }

  #either(): Condition {
    const parts = [this.#both()];
    while (this.#take('||')) parts.push(this.#both());
    return (document) => parts.some((part) => part(document));
  }

  #both(): Condition {
    const parts = [this.#one()];
    while (this.#take('&&')) parts.push(this.#one());
    return (document) => parts.every((part) => part(document));
  }

  #one(): Condition {
    if (this.#take('(')) {
      const inner = this.#either();
      if (!this.#take(')')) throw invalid(`'filterPattern' lacks a )`);
      return inner;
    }
    const select = parseSelector(this.#next('a selector, as $.level'));
    const word = this.#next('a comparison');
    if (word === 'IS') return isCondition(select, this.#next('NULL, TRUE or FALSE'));
    if (word === 'NOT') {
      if (this.#next('EXISTS') !== 'EXISTS') throw invalid(`'filterPattern' has NOT without EXISTS`);
      return (document) => select(document).length === 0;
    }
    if (word === 'EXISTS') return (document) => select(document).length > 0;
    if (!/^(?:!=|<=|>=|=|<|>)$/.test(word)) throw invalid(`'filterPattern' has "${word}" for a comparison`);
    const test = parseTest(word as Comparison, this.#next('a value'));
    return (document) => select(document).some(test);
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }

  #next(what: string): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw invalid(`'filterPattern' ends where ${what} must stand`);
    return token;
  }
}

function isCondition(select: (document: unknown) => unknown[], word: string): Condition {
  const value = { NULL: null, TRUE: true, FALSE: false }[word];
  if (value === undefined) throw invalid(`'filterPattern' has IS ${word}; NULL, TRUE and FALSE are known`);
  return (document) => select(document).some((found) => found === value);
}

/** `$.a.b[0]['c']`, `[*]` for all of an array: the values there. */
function parseSelector(text: string): (document: unknown) => unknown[] {
  if (!text.startsWith('$')) throw invalid(`'filterPattern' has "${text}" for a selector; it begins with $`);
  const steps = [...text.matchAll(/\.([\w-]+)|\[(\d+|\*|'[^']*'|"[^"]*")\]/g)].map(
    ([, name, bracketed = '']) =>
      name ?? (bracketed === '*' ? undefined : bracketed.replace(/^['"]|['"]$/g, '')),
  );
  return (document) => {
    let found: unknown[] = [document];
    for (const step of steps) {
      found = found.flatMap((value): unknown[] => {
        if (typeof value !== 'object' || value === null) return [];
        if (step === undefined) return Array.isArray(value) ? value : [];
        return Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : [];
      });
    }
    return found;
  };
}
