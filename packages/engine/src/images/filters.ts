import { type Filters, fitsLabels, parseFilterTimeMs } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import { familiarName, formatFamiliar, parseReference } from '@slipway/oci';
import { createdAtMs } from './catalog.ts';
import type { ImageContext } from './context.ts';
import type { Image } from './image.ts';

export type ImageTest = (image: Image) => boolean;

/** The keys that `GET /images/json` knows. */
export const LIST_FILTERS: ReadonlySet<string> = new Set([
  'dangling',
  'label',
  'label!',
  'before',
  'since',
  'until',
  'reference',
]);

/** The keys that `POST /images/prune` knows. */
export const PRUNE_FILTERS: ReadonlySet<string> = new Set(['dangling', 'label', 'label!', 'until']);

/**
 * One test for all filters but `reference`, which also narrows the names shown.
 * @throws InvalidArgument for a bad value, NotFound for the image of `before` and `since`
 */
export function compileFilters(context: ImageContext, filters: Filters): ImageTest {
  const tests: ImageTest[] = [];
  const values = (key: string) => filters.get(key) ?? [];
  const dangling = danglingFilter(filters);
  if (dangling !== undefined) tests.push((image) => isDangling(image) === dangling);
  tests.push((image) => fitsLabels(image.config.Labels ?? {}, filters));
  for (const name of values('before')) {
    const beforeMs = createdAtMs(context.catalog.get(name));
    tests.push((image) => createdAtMs(image) < beforeMs);
  }
  for (const name of values('since')) {
    const sinceMs = createdAtMs(context.catalog.get(name));
    tests.push((image) => createdAtMs(image) > sinceMs);
  }
  for (const text of values('until')) {
    const untilMs = parseFilterTimeMs(text, context.clock.nowMs());
    tests.push((image) => createdAtMs(image) < untilMs);
  }
  return (image) => tests.every((test) => test(image));
}

/** `dangling`, or undefined when it is not asked for. @throws InvalidArgument */
export function danglingFilter(filters: Filters): boolean | undefined {
  const values = filters.get('dangling');
  if (values === undefined || values.length === 0) return undefined;
  if (values.every((value) => /^(?:1|t|true)$/i.test(value))) return true;
  if (values.every((value) => /^(?:0|f|false)$/i.test(value))) return false;
  throw new SlipwayError(
    'InvalidArgument',
    `invalid filter 'dangling=[${values.join(' ')}]': write true or false`,
  );
}

/** No tag, whatever digests it has. */
const isDangling = (image: Image): boolean => image.repoTags.length === 0;

/**
 * Whether a familiar name (`ubuntu:22.04`) matches a pattern, with its tag or without.
 * @see https://github.com/distribution/reference, FamiliarMatch
 */
export function compileReferencePatterns(patterns: readonly string[]): (name: string) => boolean {
  const globs = patterns.map(compileGlob);
  return (name) => {
    const reference = parseReference(name);
    return globs.some((glob) => glob.test(formatFamiliar(reference)) || glob.test(familiarName(reference)));
  };
}

/**
 * Go's `path.Match`: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]` are classes, a backslash quotes.
 * @throws InvalidArgument for a bad pattern
 */
function compileGlob(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end === -1) throw badPattern(pattern);
      const inner = pattern.slice(at + 1, end);
      const negated = inner.startsWith('^');
      source += `[${negated ? '^' : ''}${inner.slice(negated ? 1 : 0).replace(/[\\\]^[]/g, '\\$&')}]`;
      at = end;
    } else if (char === '\\') {
      if (++at === pattern.length) throw badPattern(pattern);
      source += escapeRegExp(pattern[at] as string);
    } else source += escapeRegExp(char);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch (cause) {
    throw badPattern(pattern, cause);
  }
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

const badPattern = (pattern: string, cause?: unknown) =>
  new SlipwayError('InvalidArgument', `invalid filter 'reference=${pattern}': syntax error in pattern`, {
    cause,
  });
