import { SlipwayError } from '@slipway/base';
import { json, type Reply, type RouteRequest } from '@slipway/http';
import { MediaType } from '@slipway/oci';
import type { RegistryBackend, Visitor } from './backend.ts';
import { type Endpoint, nextPage } from './exchange.ts';
import { parseDigestReference } from './names.ts';

const CATALOG_DEFAULT = 100;
const PAGE_MAX = 10_000;

/** `GET /v2/NAME/tags/list`: all of them, unless `n` says how many. */
export const listTags: Endpoint = {
  action: 'pull',
  handle: async ({ backend, repository, request }) => {
    const limit = readLimit(request);
    const after = request.query.get('last') || undefined;
    // One more than asked for tells whether there is a next page.
    const found = await backend.listTags(repository, {
      after,
      limit: limit === undefined ? undefined : limit + 1,
    });
    const { items, headers } = cutPage(found, limit, `/v2/${repository}/tags/list`);
    return json(200, { name: repository, tags: items }, headers);
  },
};

/**
 * `GET /v2/NAME/referrers/DIGEST`, those of `artifactType` alone when it is given. Empty for what is not here.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 */
export const listReferrers: Endpoint = {
  action: 'pull',
  handle: async ({ backend, repository, reference, request }) => {
    const all = await backend.listReferrers(repository, parseDigestReference(reference));
    const artifactType = request.query.get('artifactType') || undefined;
    const manifests =
      artifactType === undefined ? all : all.filter((one) => one.artifactType === artifactType);
    return json(
      200,
      { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests },
      {
        'content-type': MediaType.ociIndex,
        ...(artifactType === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
      },
    );
  },
};

/** `GET /v2/_catalog`: the repositories that the visitor may pull from. */
export async function listCatalog(
  backend: RegistryBackend,
  visitor: Visitor,
  request: RouteRequest,
): Promise<Reply> {
  const limit = readLimit(request) ?? CATALOG_DEFAULT;
  const after = request.query.get('last') || undefined;
  const found = await backend.listRepositories({ after, limit: limit + 1, visitor });
  const { items, headers } = cutPage(found, limit, '/v2/_catalog');
  return json(200, { repositories: items }, headers);
}

function cutPage(found: readonly string[], limit: number | undefined, path: string) {
  if (limit === undefined || found.length <= limit) return { items: found, headers: {} };
  const items = found.slice(0, limit);
  const last = items.at(-1);
  // A page of none has no last: there is nothing to go on from.
  return { items, headers: last === undefined ? {} : nextPage(path, limit, last) };
}

/** `n`. @throws InvalidArgument PAGINATION_NUMBER_INVALID */
function readLimit(request: RouteRequest): number | undefined {
  const text = request.query.get('n');
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new SlipwayError(
      'InvalidArgument',
      `n: ${JSON.stringify(text.slice(0, 100))} is not a number of entries`,
      {
        reason: 'PAGINATION_NUMBER_INVALID',
      },
    );
  }
  return Math.min(Number(text), PAGE_MAX);
}
