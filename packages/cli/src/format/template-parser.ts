import { SlipwayError } from '@slipway/base/errors';

export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | ControlNode
  | { readonly kind: 'break' }
  | { readonly kind: 'continue' };

export interface ControlNode {
  readonly kind: 'if' | 'with' | 'range';
  readonly pipeline: Pipeline;
  readonly body: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
}

/** `$a, $b := command | command`. */
export interface Pipeline {
  readonly variables: readonly string[];
  /** `:=` rather than `=`. */
  readonly declares: boolean;
  readonly commands: readonly (readonly Expression[])[];
}

export type Expression =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'field'; readonly of: Expression; readonly path: readonly string[] }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline };

/** @throws InvalidArgument saying what is wrong and where. */
export function parseTemplate(source: string): readonly TemplateNode[] {
  return new Parser(splitActions(source)).parse();
}

type Piece = { readonly text: string } | { readonly action: string };

const failure = (message: string): SlipwayError =>
  new SlipwayError('InvalidArgument', `template parsing error: ${message}`);

/** Text and actions apart; `{{-` and `-}}` eat the space beside them, comments vanish. */
function splitActions(source: string): Piece[] {
  const pieces: Piece[] = [];
  let trimNext = false;
  let at = 0;
  for (;;) {
    const open = source.indexOf('{{', at);
    let text = source.slice(at, open === -1 ? undefined : open);
    if (trimNext) text = text.trimStart();
    if (open === -1) {
      if (text !== '') pieces.push({ text });
      return pieces;
    }
    const trimsBefore = /^\{\{-\s/.test(source.slice(open, open + 4));
    if (trimsBefore) text = text.trimEnd();
    if (text !== '') pieces.push({ text });
    const close = endOfAction(source, open + 2);
    let action = source.slice(open + (trimsBefore ? 3 : 2), close);
    trimNext = /\s-$/.test(action);
    if (trimNext) action = action.slice(0, -1);
    action = action.trim();
    if (!(action.startsWith('/*') && action.endsWith('*/'))) pieces.push({ action });
    at = close + 2;
  }
}

/** Where the `}}` of an action stands, outside its quotes. */
function endOfAction(source: string, from: number): number {
  let quote = '';
  for (let at = from; at < source.length; at++) {
    const letter = source[at] as string;
    if (quote !== '') {
      if (letter === '\\' && quote !== '`') at++;
      else if (letter === quote) quote = '';
    } else if (letter === '"' || letter === '`' || letter === "'") quote = letter;
    else if (letter === '}' && source[at + 1] === '}') return at;
  }
  throw failure(`unclosed action: ${source.slice(from - 2)}`);
}

const TOKEN =
  /\s+|"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)'|:=|[|(),=]|\$?\w*(?:\.\w+)+|\$\w*|-?\d[\w.]*|\w+|\./uy;

/** An action's words; white space is a token, because `.a .b` is not `.a.b`. */
function tokens(action: string): string[] {
  const found: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < action.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(action)?.[0];
    if (token === undefined) throw failure(`unexpected ${JSON.stringify(action[at])} in {{${action}}}`);
    found.push(token.trim() === '' ? ' ' : token);
  }
  return found;
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  parse(): readonly TemplateNode[] {
    const { nodes, ended } = this.#block(0);
    if (ended !== '') throw failure(`unexpected {{${ended}}}`);
    return nodes;
  }

  /** Nodes up to the action that ends the block: `end`, `else`, `else if …`, or '' at the template's end. */
  #block(depth: number): { nodes: TemplateNode[]; ended: string } {
    if (depth > 100) throw failure('blocks are nested more than 100 deep');
    const nodes: TemplateNode[] = [];
    for (;;) {
      const piece = this.#pieces[this.#at++];
      if (piece === undefined) return { nodes, ended: '' };
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text });
        continue;
      }
      const { action } = piece;
      const [word = '', rest = ''] = splitKeyword(action);
      if (word === 'end' || word === 'else') return { nodes, ended: action };
      if (word === 'if' || word === 'with' || word === 'range') {
        nodes.push(this.#control(word, rest, depth));
      } else if (action === 'break' || action === 'continue') nodes.push({ kind: action });
      else nodes.push({ kind: 'action', pipeline: parsePipeline(action) });
    }
  }

  #control(kind: 'if' | 'with' | 'range', condition: string, depth: number): TemplateNode {
    const pipeline = parsePipeline(condition);
    const body = this.#block(depth + 1);
    if (splitKeyword(body.ended)[0] === 'end') return { kind, pipeline, body: body.nodes, otherwise: [] };
    if (body.ended === '') throw failure(`unexpected EOF: {{${kind} ${condition}}} has no {{end}}`);
    const chained = splitKeyword(body.ended.slice('else'.length).trim());
    if (chained[0] === 'if' || chained[0] === 'with') {
      return {
        kind,
        pipeline,
        body: body.nodes,
        otherwise: [this.#control(chained[0], chained[1], depth + 1)],
      };
    }
    const otherwise = this.#block(depth + 1);
    if (splitKeyword(otherwise.ended)[0] !== 'end') throw failure(`expected {{end}} after {{else}}`);
    return { kind, pipeline, body: body.nodes, otherwise: otherwise.nodes };
  }
}

function splitKeyword(action: string): [string, string] {
  const match = /^([a-z]+)(?:\s+|$)/.exec(action);
  return match === null ? ['', action] : [match[1] as string, action.slice(match[0].length)];
}

function parsePipeline(source: string): Pipeline {
  const reader = new TokenReader(tokens(source), source);
  const pipeline = reader.pipeline(0);
  if (!reader.atEnd) throw failure(`unexpected ${reader.next()} in {{${source}}}`);
  return pipeline;
}

class TokenReader {
  readonly #tokens: readonly string[];
  readonly #source: string;
  #at = 0;

  constructor(found: readonly string[], source: string) {
    this.#tokens = found;
    this.#source = source;
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  next(): string {
    return this.#tokens[this.#at++] ?? 'end of action';
  }

  pipeline(depth: number): Pipeline {
    if (depth > 100) throw failure('parentheses are nested more than 100 deep');
    const { variables, declares } = this.#variables();
    const commands: Expression[][] = [[]];
    for (;;) {
      this.#skipSpace();
      const token = this.#peek();
      if (token === undefined || token === ')') break;
      if (token === '|') {
        this.#at++;
        commands.push([]);
      } else (commands.at(-1) as Expression[]).push(this.#expression(depth));
    }
    if (commands.some((words) => words.length === 0)) throw failure(`missing value for {{${this.#source}}}`);
    return { variables, declares, commands };
  }

  /** `$a := ` or `$a, $b := ` at the start, when it is there. */
  #variables(): { variables: string[]; declares: boolean } {
    const start = this.#at;
    const variables: string[] = [];
    for (;;) {
      this.#skipSpace();
      const name = this.#peek();
      if (name === undefined || !/^\$\w+$/.test(name)) break;
      this.#at++;
      variables.push(name);
      this.#skipSpace();
      const sign = this.#peek();
      if (sign !== ',' && sign !== ':=' && sign !== '=') break;
      this.#at++;
      if (sign !== ',') return { variables, declares: sign === ':=' };
    }
    this.#at = start;
    return { variables: [], declares: false };
  }

  #expression(depth: number): Expression {
    const token = this.next();
    const first = token[0] as string;
    if (token === '(') {
      const pipeline = this.pipeline(depth + 1);
      if (this.next() !== ')') throw failure(`unclosed left paren in {{${this.#source}}}`);
      return this.#fields({ kind: 'pipeline', pipeline });
    }
    if (token === '.') return { kind: 'dot' };
    if (first === '"' || first === '`' || first === "'") return { kind: 'literal', value: unquote(token) };
    if (/^-?\d/.test(token)) return { kind: 'literal', value: readNumber(token) };
    if (first === '.' || first === '$') return readPath(token);
    if (token === 'true' || token === 'false') return { kind: 'literal', value: token === 'true' };
    if (token === 'nil') return { kind: 'literal', value: null };
    if (/^[A-Za-z_]\w*$/.test(token)) return { kind: 'function', name: token };
    throw failure(`unexpected "${token}" in {{${this.#source}}}`);
  }

  /** `(…).Field` */
  #fields(of: Expression): Expression {
    const token = this.#peek();
    if (token === undefined || !/^(\.\w+)+$/.test(token)) return of;
    this.#at++;
    return { kind: 'field', of, path: token.slice(1).split('.') };
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #skipSpace(): void {
    while (this.#peek() === ' ') this.#at++;
  }
}

/** `.A.B`, `$`, `$x`, `$x.A`. */
function readPath(token: string): Expression {
  const [head = '', ...path] = token.split('.');
  const of: Expression = head === '' ? { kind: 'dot' } : { kind: 'variable', name: head };
  return path.length === 0 ? of : { kind: 'field', of, path };
}

function readNumber(token: string): number {
  const value = Number(token.replaceAll('_', ''));
  if (Number.isNaN(value)) throw failure(`bad number syntax: "${token}"`);
  return value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
};

/** A Go string or character literal's value. */
function unquote(token: string): string {
  const inner = token.slice(1, -1);
  if (token[0] === '`') return inner;
  return inner.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\s\S]))/g,
    (_, hex?: string, unicode?: string, letter?: string) => {
      const code = hex ?? unicode;
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      return ESCAPES[letter as string] ?? (letter as string);
    },
  );
}
