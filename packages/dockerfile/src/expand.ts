import { SlipwayError } from '@slipway/base';
import type { Escape } from './instructions.ts';
import { stripPrefix, stripSuffix, substitute } from './shell-pattern.ts';

export interface ExpandOptions {
  readonly escape?: Escape;
  /** False for the text of here-documents: quotes are characters there. Default true. */
  readonly quotes?: boolean;
}

export interface Expansion {
  readonly text: string;
  /** The text split at spaces, those in quotes not counted. */
  readonly words: readonly string[];
  /** Names that were asked for and have a value. */
  readonly used: ReadonlySet<string>;
  /** Names without a value, those too whose reference says what then (`${x:-y}`): docker's checks count them. */
  readonly undefined: ReadonlySet<string>;
}

export type Environment = ReadonlyMap<string, string>;

/** `['A=b']` as a map; later ones win. */
export const parseEnvironment = (entries: readonly string[]): Map<string, string> =>
  new Map(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );

/**
 * Variables, quotes and escapes of a word, as BuildKit expands them.
 * @throws InvalidArgument for a quote or brace without its end, a bad substitution, `${x?message}`
 * @see https://docs.docker.com/reference/dockerfile/#environment-replacement
 */
export function expand(word: string, env: Environment, options: ExpandOptions = {}): Expansion {
  const expander = new Expander(word, env, options);
  try {
    const { text, words } = expander.readUntil('', false);
    return { text, words, used: expander.used, undefined: expander.undefined };
  } catch (error) {
    if (!(error instanceof Unexpandable)) throw error;
    throw new SlipwayError('InvalidArgument', `failed to process ${JSON.stringify(word)}: ${error.message}`, {
      reason: 'DOCKERFILE',
      cause: error,
    });
  }
}

/** The expanded text as one word. @throws InvalidArgument as `expand` does */
export const expandWord = (word: string, env: Environment, options: ExpandOptions = {}): string =>
  expand(word, env, options).text;

/** The expanded text as words: a variable's value is split at its spaces. @throws InvalidArgument as `expand` does */
export const expandWords = (word: string, env: Environment, options: ExpandOptions = {}): readonly string[] =>
  expand(word, env, options).words;

class Unexpandable extends Error {}

const SPECIAL = new Set('@*#?-$!0');
const LETTER = /[\p{L}\p{Nd}_]/u;
const DIGIT = /\p{Nd}/u;
/** `${a:-${b:-…}}` is read by recursion. */
const DEEPEST = 100;

class Expander {
  readonly used = new Set<string>();
  readonly undefined = new Set<string>();
  readonly #chars: readonly string[];
  readonly #env: Environment;
  readonly #escape: string;
  readonly #quotes: boolean;
  #at = 0;
  #depth = 0;

  constructor(word: string, env: Environment, options: ExpandOptions) {
    this.#chars = [...word];
    this.#env = env;
    this.#escape = options.escape ?? '\\';
    this.#quotes = options.quotes ?? true;
  }

  /** Reads on behind `stop`, or to the end for ''. `keepEscapes` is for patterns, which have their own use for them. */
  readUntil(stop: string, keepEscapes: boolean): { readonly text: string; readonly words: string[] } {
    if (++this.#depth > DEEPEST) throw new Unexpandable('substitutions within substitutions are too deep');
    const text: string[] = [];
    const words = new WordList();
    while (this.#at < this.#chars.length) {
      const char = this.#next();
      if (char === stop) {
        this.#depth--;
        return { text: text.join(''), words: words.end() };
      }
      if (char === '$') {
        const value = this.#readVariable(keepEscapes);
        text.push(value);
        words.addSplitting(value);
      } else if (this.#quotes && (char === "'" || char === '"')) {
        const value = char === "'" ? this.#readSingleQuoted() : this.#readDoubleQuoted(keepEscapes);
        text.push(value);
        words.add(value);
      } else if (char === this.#escape) {
        const escaped = (keepEscapes ? char : '') + this.#next();
        text.push(escaped);
        words.add(escaped);
      } else {
        text.push(char);
        words.addSplitting(char);
      }
    }
    if (stop !== '') {
      throw new Unexpandable(
        stop === '}' ? "syntax error: missing '}'" : `syntax error: missing '${stop}' in \${}`,
      );
    }
    this.#depth--;
    return { text: text.join(''), words: words.end() };
  }

  /** The next character, '' at the end. */
  #next(): string {
    return this.#chars[this.#at++] ?? '';
  }

  #peek(): string {
    return this.#chars[this.#at] ?? '';
  }

  #readSingleQuoted(): string {
    const end = this.#chars.indexOf("'", this.#at);
    if (end < 0)
      throw new Unexpandable('unexpected end of statement while looking for matching single-quote');
    const text = this.#chars.slice(this.#at, end).join('');
    this.#at = end + 1;
    return text;
  }

  #readDoubleQuoted(keepEscapes: boolean): string {
    const text: string[] = [];
    while (this.#at < this.#chars.length) {
      const char = this.#next();
      if (char === '"') return text.join('');
      if (char === '$') text.push(this.#readVariable(keepEscapes));
      else if (char === this.#escape) {
        // Only what means something within quotes can be escaped; before anything else it is a character.
        const escapable = ['"', '$', this.#escape].includes(this.#peek());
        if (keepEscapes || (!escapable && this.#peek() !== '')) text.push(char);
        if (escapable) text.push(this.#next());
      } else text.push(char);
    }
    throw new Unexpandable('unexpected end of statement while looking for matching double-quote');
  }

  /** Behind a `$`. */
  #readVariable(keepEscapes: boolean): string {
    if (this.#peek() !== '{') {
      const name = this.#readName();
      return name === '' ? '$' : (this.#valueOf(name) ?? '');
    }
    this.#at++;
    if (this.#peek() === '') throw new Unexpandable("syntax error: missing '}'");
    if ('{}:'.includes(this.#peek())) throw new Unexpandable('syntax error: bad substitution');
    const name = this.#readName();
    const operator = this.#next();
    if (operator === '}') return this.#valueOf(name) ?? '';
    if (operator === '/') return this.#readSubstitution(name);
    if (operator === '#' || operator === '%') return this.#readStripping(name, operator);
    const colon = operator === ':';
    return this.#readAlternative(name, colon ? this.#next() : operator, colon, keepEscapes);
  }

  /** `${x:-word}`, `${x+word}`, `${x:?message}` and so on. */
  #readAlternative(name: string, operator: string, emptyIsUnset: boolean, keepEscapes: boolean): string {
    if (operator === '' || !'-+?'.includes(operator)) {
      throw new Unexpandable(
        operator === ''
          ? "syntax error: missing '}'"
          : `unsupported modifier (${emptyIsUnset ? ':' : ''}${operator}) in substitution`,
      );
    }
    const { text: word } = this.readUntil('}', keepEscapes);
    const value = this.#valueOf(name);
    const isSet = value !== undefined && !(emptyIsUnset && value === '');
    if (operator === '+') return isSet ? word : '';
    if (isSet) return value;
    if (operator === '-') return word;
    throw new Unexpandable(
      `${name}: ${word || (value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty')}`,
    );
  }

  #readStripping(name: string, operator: '#' | '%'): string {
    const longest = this.#peek() === operator;
    if (longest) this.#at++;
    const { text: pattern } = this.readUntil('}', true);
    const strip = operator === '#' ? stripPrefix : stripSuffix;
    return strip(this.#valueOf(name) ?? '', this.#checked(pattern), longest);
  }

  #readSubstitution(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#at++;
    const { text: pattern } = this.readUntil('/', true);
    const { text: replacement } = this.readUntil('}', true);
    return substitute(this.#valueOf(name) ?? '', this.#checked(pattern), replacement, all);
  }

  #checked(pattern: string): string {
    const bad = /^(?:[^\\]|\\[*?\\}/])*?\\([^*?\\}/]|$)/su.exec(pattern);
    if (bad !== null) {
      throw new Unexpandable(`invalid pattern (${pattern}) in substitution: invalid escape '\\${bad[1]}'`);
    }
    return pattern;
  }

  #valueOf(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.undefined : this.used).add(name);
    return value;
  }

  /** Letters, digits and `_`; only digits when it begins with one; or one of the shell's special parameters. */
  #readName(): string {
    const first = this.#peek();
    if (SPECIAL.has(first) && !DIGIT.test(first)) return this.#next();
    const allowed = DIGIT.test(first) ? DIGIT : LETTER;
    let name = '';
    while (this.#peek() !== '' && allowed.test(this.#peek())) name += this.#next();
    return name;
  }
}

class WordList {
  readonly #words: string[] = [];
  #word: string[] = [];

  add(text: string): void {
    this.#word.push(text);
  }

  addSplitting(text: string): void {
    for (const part of text.split(/(\s)/)) {
      if (/^\s$/.test(part)) this.#endWord();
      else if (part !== '') this.#word.push(part);
    }
  }

  end(): string[] {
    this.#endWord();
    return this.#words;
  }

  /** An empty word, though quoted, is none: so BuildKit has it. */
  #endWord(): void {
    const word = this.#word.join('');
    if (word !== '') this.#words.push(word);
    this.#word = [];
  }
}
