import { SlipwayError } from '@slipway/base';
import { z } from 'zod';
import { answerError, notJson } from './errors.ts';
import { type HttpResponse, headerOf } from './http.ts';
import {
  fetchDocument,
  PULL,
  type RepositorySession,
  repositoryScope,
  type Session,
  urlOf,
} from './session.ts';

type Call = { readonly signal?: AbortSignal | undefined };

const PAGE_MAX_BYTES = 16 * 1024 * 1024;
const PAGE_SIZE = 1000;
/** Pages after which a list counts as one without an end. */
const MAX_PAGES = 10_000;

interface PagedList {
  readonly url: URL;
  readonly scopes: readonly string[];
  readonly accept?: string;
  readonly action: string;
}

/** The pages of a list, one request each. A list that leads back to where it was is refused. */
export async function* readPages(
  session: Session,
  { url, scopes, accept, action }: PagedList,
  { signal }: Call,
): AsyncGenerator<{ readonly response: HttpResponse; readonly bytes: Buffer }> {
  const seen = new Set<string>();
  for (let next: URL | undefined = url; next !== undefined; ) {
    if (seen.has(next.href) || seen.size === MAX_PAGES) {
      throw new SlipwayError('DataLoss', `${session.place}: ${action}: its pages do not come to an end`, {
        reason: 'BAD_ANSWER',
      });
    }
    seen.add(next.href);
    const headers = accept === undefined ? {} : { accept };
    const { response, bytes } = await fetchDocument(
      session,
      { method: 'GET', url: next, headers, scopes, signal },
      PAGE_MAX_BYTES,
    );
    if (bytes === undefined) throw await answerError(response, { place: session.place, action });
    yield { response, bytes };
    next = nextPage(headerOf(response, 'link'), next);
  }
}

/**
 * The `rel="next"` of a `Link` header, at the same host whatever it says: proxies seldom correct it.
 * @see https://www.rfc-editor.org/rfc/rfc8288
 */
export function nextPage(link: string | undefined, base: URL): URL | undefined {
  for (const [, target = '', parameters = ''] of (link ?? '').matchAll(/<([^>]*)>((?:\s*;[^,<]*)*)/g)) {
    if (!/;\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?\s*(?:;|$)/i.test(parameters)) continue;
    if (!URL.canParse(target, base)) return undefined;
    const { pathname, search } = new URL(target, base);
    return new URL(pathname + search, base.origin);
  }
  return undefined;
}

const tagsSchema = z.looseObject({ tags: z.array(z.string()).nullish() });

/**
 * A repository's tags, in the registry's order.
 * @throws NotFound
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
 */
export async function* readTags(session: RepositorySession, call: Call = {}): AsyncGenerator<string> {
  const list = {
    url: urlOf(session, `${session.path}/tags/list?n=${PAGE_SIZE}`),
    scopes: [repositoryScope(session.path, PULL)],
    action: 'cannot list the tags',
  };
  for await (const { response, bytes } of readPages(session, list, call)) {
    yield* parseAnswer(response, bytes, tagsSchema, session.place).tags ?? [];
  }
}

/** What a token must be for, to see the names of all repositories. */
export const CATALOG_SCOPE = 'registry:catalog:*';

const catalogSchema = z.looseObject({ repositories: z.array(z.string()).nullish() });

/** The names of all repositories of a registry that tells them. @see the catalog of distribution, `GET /v2/_catalog` */
export async function* readCatalog(session: Session, call: Call = {}): AsyncGenerator<string> {
  const list = {
    url: urlOf(session, `_catalog?n=${PAGE_SIZE}`),
    scopes: [CATALOG_SCOPE],
    action: 'cannot list the repositories',
  };
  for await (const { response, bytes } of readPages(session, list, call)) {
    yield* parseAnswer(response, bytes, catalogSchema, session.place).repositories ?? [];
  }
}

/** Reads JSON of a form. @throws DataLoss, Unavailable for HTML */
export function parseAnswer<T extends z.ZodType>(
  response: HttpResponse,
  bytes: Buffer,
  schema: T,
  place: string,
): z.infer<T> {
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw notJson(response, place);
  }
}
