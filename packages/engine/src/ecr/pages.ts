import { invalidParameter } from './errors.ts';

const DEFAULT_RESULTS = 100;

/** What a request says of the page that it wants. */
export interface PageRequest {
  readonly nextToken?: string | null | undefined;
  readonly maxResults?: number | null | undefined;
}

/**
 * A page of the items in the order of their keys. The token says after which key the next page begins, so that what comes
 * and goes between two pages neither doubles nor hides another item.
 * @throws InvalidArgument InvalidParameterException for a token that is none
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { nextToken, maxResults }: PageRequest,
): { readonly items: readonly T[]; readonly nextToken?: string } {
  const after = nextToken == null ? undefined : readToken(nextToken);
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === undefined || key > after)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const page = rest.slice(0, maxResults ?? DEFAULT_RESULTS);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    ...(last === undefined || page.length === rest.length ? {} : { nextToken: formatToken(last.key) }),
  };
}

const formatToken = (key: string): string =>
  Buffer.from(JSON.stringify({ after: key })).toString('base64url');

function readToken(token: string): string {
  try {
    const { after } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as { after?: unknown };
    if (typeof after === 'string') return after;
  } catch {
    // Falls through to the refusal, which says all that can be said.
  }
  throw invalidParameter('nextToken', 'must be the nextToken of the answer before');
}
