import { invalidParameter, validationError } from './errors.ts';

export interface PageRequest {
  readonly Marker?: string | undefined;
  readonly MaxItems?: number | undefined;
}

/** As many as Lambda gives at once. */
const DEFAULT_SIZE = 50;
const LARGEST_SIZE = 10_000;

/**
 * A part of a list that is sorted by its keys. A marker says after which key it begins, so that what comes and goes between
 * two pages neither repeats nor hides anything else.
 * @throws InvalidArgument for a marker that no page gave
 */
export function pageOf<T>(
  items: readonly T[],
  { Marker, MaxItems }: PageRequest,
  keyOf: (item: T) => string,
  largest: number = DEFAULT_SIZE,
): { readonly items: readonly T[]; readonly next: { readonly NextMarker?: string } } {
  if (MaxItems !== undefined && (MaxItems < 1 || MaxItems > LARGEST_SIZE)) {
    throw validationError(MaxItems, 'maxItems', `Member must have value between 1 and ${LARGEST_SIZE}`);
  }
  const size = Math.min(MaxItems ?? largest, largest);
  const after = Marker ? decode(Marker) : undefined;
  const begin = after === undefined ? 0 : items.findIndex((item) => compare(keyOf(item), after) > 0);
  const page = begin === -1 ? [] : items.slice(begin, begin + size);
  const last = page.at(-1);
  const isMore = last !== undefined && last !== items.at(-1);
  return { items: page, next: isMore ? { NextMarker: encode(keyOf(last)) } : {} };
}

/** Numbers as numbers, so that version 10 comes after 9; `$LATEST` before all. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  const isNumeric = /^\d+$/.test(a) && /^\d+$/.test(b);
  return (isNumeric ? Number(a) < Number(b) : a < b) ? -1 : 1;
}

const encode = (key: string): string => Buffer.from(JSON.stringify([key])).toString('base64url');

function decode(marker: string): string {
  try {
    const [key] = JSON.parse(Buffer.from(marker, 'base64url').toString()) as [unknown];
    if (typeof key === 'string') return key;
  } catch {
    // Not a marker of ours: said below.
  }
  throw invalidParameter(`Marker "${marker}" is none that a page gave as NextMarker`);
}
