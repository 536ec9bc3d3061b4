import { isSlipwayError, SlipwayError } from '@slipway/base';
import { z } from 'zod';
import { answerError } from './errors.ts';
import { CATALOG_SCOPE, parseAnswer, readCatalog } from './listings.ts';
import type { FoundRepository } from './registry.ts';
import { fetchDocument, type Session } from './session.ts';

const ANSWER_MAX_BYTES = 8 * 1024 * 1024;
/** Names of a catalogue that are looked at. */
const MAX_CATALOG_NAMES = 100_000;

const resultSchema = z.looseObject({
  name: z.string(),
  description: z.string().nullish(),
  is_official: z.boolean().nullish(),
  star_count: z.number().nullish(),
});
const searchSchema = z.looseObject({ results: z.array(resultSchema).nullish() });

/**
 * Searches by the API of Docker's old index, which Docker Hub and some others have, else in the catalogue.
 * @throws NotImplemented where the registry has neither
 */
export async function searchRegistry(
  session: Session,
  term: string,
  { limit, signal }: { readonly limit: number; readonly signal?: AbortSignal | undefined },
): Promise<readonly FoundRepository[]> {
  const url = new URL(`${session.endpoint.url}/v1/search`);
  url.searchParams.set('q', term);
  url.searchParams.set('n', String(limit));
  const request = {
    method: 'GET' as const,
    url,
    headers: { accept: 'application/json' },
    scopes: [CATALOG_SCOPE],
    signal,
  };
  const { response, bytes } = await fetchDocument(session, request, ANSWER_MAX_BYTES);
  if (bytes !== undefined) {
    const { results } = parseAnswer(response, bytes, searchSchema, session.place);
    return (results ?? []).slice(0, limit).map((result) => ({
      name: result.name,
      description: result.description ?? '',
      isOfficial: result.is_official ?? false,
      starCount: result.star_count ?? 0,
    }));
  }
  if (response.status !== 404 && response.status !== 405) {
    throw await answerError(response, { place: session.place, action: `cannot search for ${term}` });
  }
  response.discard();
  return searchCatalog(session, term, limit, signal);
}

async function searchCatalog(
  session: Session,
  term: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<readonly FoundRepository[]> {
  const found: FoundRepository[] = [];
  let lookedAt = 0;
  try {
    for await (const name of readCatalog(session, { signal })) {
      if (found.length >= limit || lookedAt++ >= MAX_CATALOG_NAMES) break;
      if (name.includes(term)) found.push({ name, description: '', isOfficial: false, starCount: 0 });
    }
  } catch (error) {
    if (!isSlipwayError(error, 'NotFound', 'NotImplemented')) throw error;
    throw new SlipwayError(
      'NotImplemented',
      `${session.place} cannot be searched: it has neither a search nor a catalogue; name the repository in full`,
      { reason: 'UNSUPPORTED', cause: error },
    );
  }
  return found;
}
