import { SlipwayError } from '@slipway/base/errors';

// biome-ignore lint/suspicious/noExplicitAny: a template's values are of any type, checked where they are used.
export type TemplateFunction = (...values: any[]) => unknown;
export type TemplateFunctions = Readonly<Record<string, TemplateFunction>>;

const failure = (message: string): SlipwayError =>
  new SlipwayError('InvalidArgument', `template: ${message}`);

/**
 * Go's and docker's template functions.
 * @see https://docs.docker.com/engine/cli/formatting/
 */
export const FUNCTIONS: TemplateFunctions = {
  json: (value: unknown) => goJson(value),
  upper: (value: unknown) => asText(value).toUpperCase(),
  lower: (value: unknown) => asText(value).toLowerCase(),
  title: (value: unknown) => asText(value).replace(/(^|\s)\S/gu, (start) => start.toUpperCase()),
  join: (values: unknown, separator: unknown) => asList(values).map(printValue).join(asText(separator)),
  split: (value: unknown, separator: unknown) => asText(value).split(asText(separator)),
  pad: (value: unknown, before: unknown, after: unknown) =>
    asText(value) === '' ? '' : ' '.repeat(asSize(before)) + asText(value) + ' '.repeat(asSize(after)),
  truncate: (value: unknown, length: unknown) => [...asText(value)].slice(0, asSize(length)).join(''),
  print: (...values: unknown[]) => values.map(printValue).join(' '),
  println: (...values: unknown[]) => `${values.map(printValue).join(' ')}\n`,
  printf: (format: unknown, ...values: unknown[]) => printf(asText(format), values),
  len: (value: unknown) => lengthOf(value),
  index: (value: unknown, ...keys: unknown[]) => keys.reduce(indexOnce, value),
  slice: (value: unknown, from: unknown = 0, to?: unknown) => sliceOf(value, asSize(from), to),
  not: (value: unknown) => !truthy(value),
  eq: (value: unknown, ...others: unknown[]) => others.some((other) => value === other),
  ne: (a: unknown, b: unknown) => a !== b,
  lt: (a: unknown, b: unknown) => compare(a, b) < 0,
  le: (a: unknown, b: unknown) => compare(a, b) <= 0,
  gt: (a: unknown, b: unknown) => compare(a, b) > 0,
  ge: (a: unknown, b: unknown) => compare(a, b) >= 0,
};

/** The same functions for a table's headings, which they must leave readable. */
export const HEADER_FUNCTIONS: TemplateFunctions = {
  ...FUNCTIONS,
  json: (value: unknown) => value,
  title: (value: unknown) => value,
  lower: (value: unknown) => value,
  split: (value: unknown) => value,
  join: (value: unknown) => value,
  truncate: (value: unknown) => value,
  slice: (value: unknown) => value,
};

/** Go's truth: not nil, zero, false or empty. */
export function truthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Object) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as Go's `%v` shows it. */
export function printValue(value: unknown): string {
  if (value === undefined) return '<no value>';
  return printInner(value);
}

function printInner(value: unknown): string {
  if (value === undefined || value === null) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(printInner).join(' ')}]`;
  if (value instanceof Object) {
    const map = value as Record<string, unknown>;
    const entries = Object.keys(map)
      .sort()
      .map((key) => `${key}:${printInner(map[key])}`);
    return `map[${entries.join(' ')}]`;
  }
  return String(value);
}

/** A number with more digits than JavaScript's have. */
const rawJson = (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON;

/** JSON as Go writes it: no change but that methods are not shown. */
function goJson(value: unknown): string {
  return JSON.stringify(value ?? null, (_, inner: unknown) => {
    if (typeof inner === 'bigint') return rawJson(String(inner));
    return typeof inner === 'function' ? (inner.length === 0 ? inner() : undefined) : inner;
  });
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value instanceof Object) throw failure(`expected text, got ${printInner(value)}`);
  return String(value);
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw failure(`expected a list, got ${printInner(value)}`);
  return value;
}

function asSize(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 1e6) {
    throw failure(`expected a size, got ${printInner(value)}`);
  }
  return value;
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Object) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw failure(`len of ${printInner(value)}`);
}

function indexOnce(value: unknown, key: unknown): unknown {
  if (Array.isArray(value) || typeof value === 'string') {
    const at = asSize(key);
    if (at >= value.length) throw failure(`error calling index: index out of range: ${at}`);
    return typeof value === 'string' ? Buffer.from(value)[at] : value[at];
  }
  if (value instanceof Object) {
    const name = asText(key);
    return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  throw failure('error calling index: index of untyped nil');
}

function sliceOf(value: unknown, from: number, to: unknown): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) throw failure(`slice of ${printInner(value)}`);
  const end = to === undefined ? value.length : asSize(to);
  if (from > end || end > value.length) throw failure(`error calling slice: index out of range: ${end}`);
  return value.slice(from, end);
}

function compare(a: unknown, b: unknown): number {
  if ((typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string')) {
    return a < b ? -1 : a > b ? 1 : 0;
  }
  throw failure(`incompatible types for comparison: ${printInner(a)} and ${printInner(b)}`);
}

/** Go's verbs as far as templates use them: `%s %v %d %q %t %x %f %g %%`, with width, precision and flags. */
function printf(format: string, values: readonly unknown[]): string {
  let used = 0;
  return format.replace(
    /%([-+0 #]*)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (used >= values.length) return `%!${verb}(MISSING)`;
      const text = formatVerb(verb, values[used++], precision);
      const columns = Math.min(Number(width || 0), 10_000);
      if (flags.includes('-')) return text.padEnd(columns);
      return text.padStart(columns, flags.includes('0') ? '0' : ' ');
    },
  );
}

function formatVerb(verb: string, value: unknown, precision: string | undefined): string {
  switch (verb) {
    case 'q':
      return JSON.stringify(printInner(value));
    case 'x':
      return typeof value === 'number' ? value.toString(16) : Buffer.from(printInner(value)).toString('hex');
    case 'f':
      return Number(value).toFixed(Math.min(Number(precision ?? 6), 100));
    case 's':
      return precision === undefined ? printInner(value) : printInner(value).slice(0, Number(precision));
    default:
      return printInner(value);
  }
}
