import { SlipwayError } from '@slipway/base/errors';
import {
  FUNCTIONS,
  printValue,
  type TemplateFunction,
  type TemplateFunctions,
  truthy,
} from './template-functions.ts';
import {
  type ControlNode,
  type Expression,
  type Pipeline,
  parseTemplate,
  type TemplateNode,
} from './template-parser.ts';

/** A template that was parsed once, and is rendered for each value. */
export type Template = (value: unknown) => string;

/**
 * A Go template with docker's functions.
 * @throws InvalidArgument for a template that does not parse; when rendered, for a field that there is not.
 * @see https://pkg.go.dev/text/template
 */
export function compileTemplate(source: string, functions: TemplateFunctions = FUNCTIONS): Template {
  const nodes = parseTemplate(source);
  return (value) => {
    const scope: Scope = { dot: value, variables: new Map([['$', value]]), parent: undefined };
    let output = '';
    const renderer = new Renderer(functions, value, (text) => {
      output += text;
    });
    renderer.renderAll(nodes, scope);
    return output;
  };
}

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
  readonly parent: Scope | undefined;
}

class Break extends Error {}
class Continue extends Error {}

class Renderer {
  readonly #functions: TemplateFunctions;
  readonly #root: unknown;
  readonly #write: (text: string) => void;

  constructor(functions: TemplateFunctions, root: unknown, write: (text: string) => void) {
    this.#functions = functions;
    this.#root = root;
    this.#write = write;
  }

  renderAll(nodes: readonly TemplateNode[], scope: Scope): void {
    for (const node of nodes) this.#render(node, scope);
  }

  #render(node: TemplateNode, scope: Scope): void {
    switch (node.kind) {
      case 'text':
        this.#write(node.text);
        return;
      case 'action': {
        const value = this.#pipeline(node.pipeline, scope);
        if (node.pipeline.variables.length === 0) this.#write(printValue(value));
        return;
      }
      case 'if': {
        const inner = below(scope, scope.dot);
        this.renderAll(truthy(this.#pipeline(node.pipeline, inner)) ? node.body : node.otherwise, inner);
        return;
      }
      case 'with': {
        const inner = below(scope, scope.dot);
        const value = this.#pipeline(node.pipeline, inner);
        if (truthy(value)) this.renderAll(node.body, below(inner, value));
        else this.renderAll(node.otherwise, inner);
        return;
      }
      case 'range':
        this.#range(node, scope);
        return;
      case 'break':
        throw new Break();
      case 'continue':
        throw new Continue();
    }
  }

  #range(node: ControlNode, scope: Scope): void {
    const outer = below(scope, scope.dot);
    const entries = entriesOf(this.#pipeline({ ...node.pipeline, variables: [] }, outer));
    if (entries.length === 0) {
      this.renderAll(node.otherwise, outer);
      return;
    }
    const names = node.pipeline.variables;
    for (const [key, value] of entries) {
      const inner = below(outer, value);
      if (names.length === 1) inner.variables.set(names[0] as string, value);
      if (names.length === 2) {
        inner.variables.set(names[0] as string, key);
        inner.variables.set(names[1] as string, value);
      }
      try {
        this.renderAll(node.body, inner);
      } catch (error) {
        if (error instanceof Break) return;
        if (!(error instanceof Continue)) throw error;
      }
    }
  }

  #pipeline(pipeline: Pipeline, scope: Scope): unknown {
    let value: unknown;
    pipeline.commands.forEach((command, index) => {
      value = this.#command(command, scope, index === 0 ? [] : [value]);
    });
    for (const name of pipeline.variables) {
      if (pipeline.declares) scope.variables.set(name, value);
      else assign(scope, name, value);
    }
    return value;
  }

  /** A command's first word is called with the others and with what was piped in. */
  #command(words: readonly Expression[], scope: Scope, piped: readonly unknown[]): unknown {
    const [first, ...rest] = words as [Expression, ...Expression[]];
    if (first.kind === 'function') return this.#call(first.name, rest, scope, piped);
    if (first.kind === 'field' && (rest.length > 0 || piped.length > 0)) {
      const receiver = first.path.slice(0, -1);
      const name = first.path.at(-1) as string;
      const owner = this.#path(this.#evaluate(first.of, scope), receiver);
      const method = owner instanceof Object ? (owner as Record<string, unknown>)[name] : undefined;
      if (typeof method !== 'function') throw failure(`.${name} is not a method but has arguments`);
      return method(...rest.map((word) => this.#evaluate(word, scope)), ...piped);
    }
    if (rest.length > 0 || piped.length > 0)
      throw failure('a value was given arguments; only functions take them');
    return this.#evaluate(first, scope);
  }

  #call(name: string, words: readonly Expression[], scope: Scope, piped: readonly unknown[]): unknown {
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, words, scope, piped);
    const run = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (run === undefined) throw failure(`function "${name}" not defined`);
    return (run as TemplateFunction)(...words.map((word) => this.#evaluate(word, scope)), ...piped);
  }

  /** The first operand that decides; later ones are not evaluated. */
  #shortCircuit(
    name: 'and' | 'or',
    words: readonly Expression[],
    scope: Scope,
    piped: readonly unknown[],
  ): unknown {
    let value: unknown;
    for (const word of words) {
      value = this.#evaluate(word, scope);
      if (truthy(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #evaluate(expression: Expression, scope: Scope): unknown {
    switch (expression.kind) {
      case 'literal':
        return expression.value;
      case 'dot':
        return scope.dot;
      case 'variable':
        return lookUp(scope, expression.name);
      case 'field':
        return this.#path(this.#evaluate(expression.of, scope), expression.path);
      case 'function':
        return this.#call(expression.name, [], scope, []);
      case 'pipeline':
        return this.#pipeline(expression.pipeline, below(scope, scope.dot));
    }
  }

  #path(start: unknown, path: readonly string[]): unknown {
    let value = start;
    for (const name of path) {
      if (value === undefined || value === null) throw failure(`nil pointer evaluating .${name}`);
      if (!(value instanceof Object))
        throw failure(`can't evaluate field ${name} in ${JSON.stringify(value)}`);
      // Below the root a missing field is one that the daemon left out because it is empty.
      if (!Object.hasOwn(value, name) && (value === this.#root || Array.isArray(value))) {
        throw failure(`there is no field ${name}${available(value)}`);
      }
      const owner: unknown = value;
      value = Object.hasOwn(owner as object, name) ? (owner as Record<string, unknown>)[name] : undefined;
      if (typeof value === 'function' && value.length === 0) value = value();
    }
    return value;
  }
}

const failure = (message: string): SlipwayError =>
  new SlipwayError('InvalidArgument', `template: ${message}`);

const available = (value: object): string =>
  Array.isArray(value) ? ' in a list' : `; there are ${Object.keys(value).sort().join(', ')}`;

const below = (parent: Scope, dot: unknown): Scope => ({ dot, variables: new Map(), parent });

function lookUp(scope: Scope, name: string): unknown {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.variables.has(name)) return at.variables.get(name);
  }
  throw failure(`undefined variable "${name}"`);
}

function assign(scope: Scope, name: string, value: unknown): void {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.variables.has(name)) {
      at.variables.set(name, value);
      return;
    }
  }
  throw failure(`undefined variable "${name}"`);
}

/** What `range` visits: a list's items, a map's in the order of its keys, a number's 0 to n-1. */
function entriesOf(value: unknown): (readonly [unknown, unknown])[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  if (typeof value === 'number') return Array.from({ length: value }, (_, index) => [index, index]);
  if (value instanceof Object) {
    const map = value as Record<string, unknown>;
    return Object.keys(map)
      .sort()
      .map((key) => [key, map[key]]);
  }
  throw failure(`range can't iterate over ${JSON.stringify(value)}`);
}
