import type { Filters } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';

const FALSE_WORDS = new Set(['', '0', 'no', 'false', 'none']);

/** A boolean as Docker parses it: absent, empty, `0`, `no`, `false` and `none` are false, anything else is true. */
export function queryFlag(query: URLSearchParams, name: string, absent = false): boolean {
  const value = query.get(name);
  return value === null ? absent : !FALSE_WORDS.has(value.trim().toLowerCase());
}

/** The text, or undefined when it is absent or empty. */
export function queryText(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined;
}

/**
 * A whole number, or undefined when it is absent or empty.
 * @throws InvalidArgument naming the parameter and the value.
 */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  if (!/^[+-]?\d{1,15}$/.test(value)) {
    throw new SlipwayError('InvalidArgument', `${name}: "${value}" is not a whole number`);
  }
  return Number(value);
}

/** Every value of a parameter that may be repeated; empty ones are left out. */
export function queryList(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).filter((value) => value !== '');
}

/**
 * Filters in both of Docker's encodings, `{"k":["v"]}` and `{"k":{"v":true}}`; absent is none.
 * @throws InvalidArgument in Docker's words for anything else.
 */
export function parseFilters(encoded: string | null): Filters {
  const filters = new Map<string, readonly string[]>();
  if (encoded === null || encoded === '') return filters;
  for (const [key, values] of Object.entries(parseObject(encoded, encoded))) {
    filters.set(key, filterValues(values, encoded));
  }
  return filters;
}

/** `filters` of a request. @throws InvalidArgument */
export const queryFilters = (query: URLSearchParams): Filters => parseFilters(query.get('filters'));

/** @throws InvalidArgument naming the first key that the endpoint does not know, as Docker does. */
export function requireKnownFilters(filters: Filters, known: ReadonlySet<string>): void {
  for (const key of filters.keys()) {
    if (!known.has(key)) throw new SlipwayError('InvalidArgument', `invalid filter '${key}'`);
  }
}

function filterValues(values: unknown, encoded: string): readonly string[] {
  if (values === null) return [];
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values;
  if (typeof values === 'object' && !Array.isArray(values)) {
    const entries = Object.entries(values as object);
    if (entries.every(([, isSet]) => typeof isSet === 'boolean')) return entries.map(([value]) => value);
  }
  throw badFilter(encoded);
}

function parseObject(text: string, encoded: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badFilter(encoded, cause);
  }
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw badFilter(encoded);
  return value;
}

const badFilter = (encoded: string, cause?: unknown) =>
  new SlipwayError(
    'InvalidArgument',
    `invalid filter ${JSON.stringify(encoded)}: write {"key":["value"]} or {"key":{"value":true}}`,
    { cause },
  );

/** `h` and `w`, in character cells. @throws InvalidArgument */
export function queryTerminalSize(query: URLSearchParams): {
  readonly rows: number;
  readonly columns: number;
} {
  return { rows: sideOf(query, 'h'), columns: sideOf(query, 'w') };
}

function sideOf(query: URLSearchParams, name: string): number {
  const value = queryInteger(query, name);
  if (value === undefined || value < 0 || value > 0xffff) {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid resize ${name}: "${query.get(name) ?? ''}"; give 0 to 65535`,
    );
  }
  return value;
}
