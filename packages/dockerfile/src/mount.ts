import { Flaw } from './error.ts';
import type { RunMount } from './instructions.ts';
import { suggest } from './suggest.ts';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;

const LONG_NAMES: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
  rw: 'readwrite',
};

const OPTIONS = new Set([
  'from',
  'source',
  'target',
  'readonly',
  'readwrite',
  'id',
  'sharing',
  'required',
  'mode',
  'uid',
  'gid',
  'size',
  'env',
]);

const SWITCHES = new Set(['readonly', 'readwrite', 'required']);

/** Options of some types only, and those. */
const ONLY_FOR: Readonly<Record<string, readonly RunMount['type'][]>> = {
  required: ['secret', 'ssh'],
  env: ['secret'],
  size: ['tmpfs'],
  sharing: ['cache'],
  from: ['bind', 'cache'],
  mode: ['cache', 'secret', 'ssh'],
  uid: ['cache', 'secret', 'ssh'],
  gid: ['cache', 'secret', 'ssh'],
};

const SHARING = ['shared', 'private', 'locked'];

/** Values that are not one of these are refused, variables apart. */
const VALUES: Readonly<Record<string, RegExp>> = {
  mode: /^[0-7]{1,11}$/,
  uid: /^\d{1,10}$/,
  gid: /^\d{1,10}$/,
  size: /^\d+(?:\.\d+)? ?(?:[kmgtp]i?b?|b)?$/i,
  sharing: /^(?:shared|private|locked)$/i,
  readonly: /^(?:1|0|t|f|true|false)$/i,
  readwrite: /^(?:1|0|t|f|true|false)$/i,
  required: /^(?:1|0|t|f|true|false)$/i,
};

/**
 * The value of `RUN --mount`.
 * @throws {Flaw} for an unknown type or option, one that the type does not take, a variable in `from`
 * @see https://docs.docker.com/reference/dockerfile/#run---mount
 */
export function readMount(text: string): RunMount {
  let type: RunMount['type'] = 'bind';
  const options = new Map<string, string>();
  for (const field of splitFields(text)) {
    const equals = field.indexOf('=');
    const written = field.slice(0, equals < 0 ? undefined : equals).toLowerCase();
    const name = LONG_NAMES[written] ?? written;
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (name === 'type') type = readType(value ?? '');
    else if (!OPTIONS.has(name)) {
      throw new Flaw(`unexpected key '${written}' in '${field}'`, suggest(written, ['type', ...OPTIONS]));
    } else if (value === undefined && !SWITCHES.has(name)) {
      throw new Flaw(`invalid field '${field}' must be a key=value pair`);
    } else options.set(name, value ?? 'true');
  }
  checkMount(type, options);
  return { type, options };
}

function readType(value: string): RunMount['type'] {
  const type = TYPES.find((known) => known === value.toLowerCase());
  if (type === undefined) throw new Flaw(`unsupported mount type "${value}"`, suggest(value, TYPES));
  return type;
}

function checkMount(type: RunMount['type'], options: ReadonlyMap<string, string>): void {
  for (const [name, value] of options) {
    if (ONLY_FOR[name]?.includes(type) === false) throw notForType(name, type);
    if (value.includes('$') || VALUES[name]?.test(value) !== false) continue;
    throw name === 'sharing'
      ? new Flaw(`unsupported sharing value "${value}"`, suggest(value, SHARING))
      : new Flaw(`invalid value ${value} for ${name}`);
  }
  if (/\$./.test(options.get('from') ?? '')) {
    throw new Flaw(`'from' doesn't support variable expansion, define alias stage instead`);
  }
  if (type === 'secret') {
    if (!['source', 'target', 'id', 'env'].some((name) => options.has(name))) {
      throw new Flaw('invalid secret mount. one of source, target required');
    }
    if (options.has('source') && options.has('id')) throw new Flaw("both source and id can't be set");
  }
}

function notForType(name: string, type: RunMount['type']): Flaw {
  if (name === 'sharing') return new Flaw(`invalid cache sharing set for ${type} mount`);
  if (name === 'mode' || name === 'uid' || name === 'gid') {
    return new Flaw(`${name} not allowed for "${type}" type mounts`);
  }
  return new Flaw(`unexpected key '${name}' for mount type '${type}'`);
}

/** Fields of a line of CSV: a quoted one may hold commas, and `""` for a quote. */
function splitFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      fields.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    let field = '';
    for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
      if (at >= text.length) throw new Flaw(`failed to parse csv mounts: quote without its end in '${text}'`);
      if (text[at] === '"') at++;
      field += text[at];
    }
    at++;
    if (at < text.length && text[at] !== ',') {
      throw new Flaw(`failed to parse csv mounts: text behind a quote in '${text}'`);
    }
    fields.push(field);
    at++;
  }
  return fields;
}
