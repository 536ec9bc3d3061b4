import { SlipwayError } from '@slipway/base';
import {
  type Handler,
  json,
  progress,
  queryFilters,
  queryInteger,
  queryText,
  type Reply,
  type Route,
  type RouteRequest,
  readJson,
  requireKnownFilters,
} from '@slipway/http';
import { parsePlatform, parseReference, type Reference, withTag } from '@slipway/oci';
import { z } from 'zod';
import {
  authConfigSchema,
  domainOfAddress,
  parseRegistryAuth,
  parseRegistryConfig,
  toCredentials,
} from './credentials.ts';
import type { TransferService } from './service.ts';
import { selectFound, toDistributionInspect, toSearchResult } from './wire.ts';

type TransferHandler = (transfer: TransferService, request: RouteRequest) => Promise<Reply> | Reply;

/** The Docker Engine API's endpoints that reach registries, but for the pull, and Slipway's own. */
export function transferRoutes(transfer: TransferService): Route[] {
  const route = (method: Route['method'], path: string, handler: TransferHandler): Route => ({
    method,
    path,
    handler: (request) => handler(transfer, request),
  });
  return [
    route('POST', '/images/*/push', push),
    route('GET', '/images/search', search),
    route('GET', '/distribution/*/json', inspectDistribution),
    route('POST', '/auth', login),
    route('GET', '/slipway/images/remote', inspectRemote),
    route('POST', '/slipway/images/manifest', pushIndex),
  ];
}

/** `POST /images/create` with `fromImage`, which shares its path with import. */
export const pullHandler =
  (transfer: TransferService): Handler =>
  async ({ query, headers, signal }) => {
    const name = query.get('fromImage') ?? '';
    const tag = query.get('tag') ?? '';
    const reference = referenceOf(name, tag);
    const platform = queryText(query, 'platform');
    const messages = await transfer.pull(
      {
        reference,
        // docker's client says a tag, and none for all of them.
        allTags: reference.tag === undefined && reference.digest === undefined,
        platform: platform === undefined ? undefined : parsePlatform(platform),
        credentials: parseRegistryAuth(headers['x-registry-auth']),
      },
      signal,
    );
    return progress(messages);
  };

/** `tag` may be a digest, and wins over what the name has. */
function referenceOf(name: string, tag: string): Reference {
  if (tag === '') return parseReference(name);
  if (tag.includes(':')) return parseReference(`${name.replace(/@.*$/, '')}@${tag}`);
  return withTag(parseReference(name), tag);
}

async function push(transfer: TransferService, request: RouteRequest): Promise<Reply> {
  const { params, query, headers, signal } = request;
  const name = parseReference(params['*'] ?? '');
  const tag = queryText(query, 'tag');
  const messages = await transfer.push(
    {
      reference: tag === undefined ? name : withTag(name, tag),
      credentials: parseRegistryAuth(headers['x-registry-auth']),
    },
    signal,
  );
  return progress(messages);
}

const SEARCH_FILTERS = new Set(['is-official', 'is-automated', 'stars']);
const SEARCH_LIMIT = 25;

async function search(transfer: TransferService, { query, headers, signal }: RouteRequest): Promise<Reply> {
  const term = queryText(query, 'term');
  if (term === undefined) throw new SlipwayError('InvalidArgument', 'no term to search for: set term');
  const filters = queryFilters(query);
  requireKnownFilters(filters, SEARCH_FILTERS);
  const found = await transfer.search(
    {
      term,
      limit: queryInteger(query, 'limit') || SEARCH_LIMIT,
      credentials: parseRegistryAuth(headers['x-registry-auth']),
    },
    signal,
  );
  return json(200, selectFound(found, filters).map(toSearchResult));
}

async function inspectDistribution(transfer: TransferService, request: RouteRequest): Promise<Reply> {
  const { params, headers, signal } = request;
  const reference = parseReference(params['*'] ?? '');
  const credentials = parseRegistryAuth(headers['x-registry-auth']);
  return json(200, toDistributionInspect(await transfer.describeRemote({ reference, credentials }, signal)));
}

async function inspectRemote(transfer: TransferService, request: RouteRequest): Promise<Reply> {
  const { query, headers, signal } = request;
  const name = queryText(query, 'name');
  if (name === undefined) throw new SlipwayError('InvalidArgument', 'no image named: set name');
  const platform = queryText(query, 'platform');
  return json(
    200,
    await transfer.inspectRemote(
      {
        reference: parseReference(name),
        platform: platform === undefined ? undefined : parsePlatform(platform),
        credentials: parseRegistryAuth(headers['x-registry-auth']),
      },
      signal,
    ),
  );
}

async function login(transfer: TransferService, request: RouteRequest): Promise<Reply> {
  const config = await readJson(request, authConfigSchema);
  const credentials = toCredentials(config);
  const domain = domainOfAddress(config.serveraddress ?? '');
  if (credentials === undefined) {
    throw new SlipwayError('InvalidArgument', `no credentials for ${domain}: give username and password`);
  }
  const identityToken = await transfer.login(domain, credentials, request.signal);
  return json(200, { Status: 'Login Succeeded', IdentityToken: identityToken ?? '' });
}

const indexSchema = z.strictObject({ target: z.string().min(1), sources: z.array(z.string().min(1)).min(1) });

async function pushIndex(transfer: TransferService, request: RouteRequest): Promise<Reply> {
  const { target, sources } = await readJson(request, indexSchema);
  const targetReference = parseReference(target);
  const several = parseRegistryConfig(request.headers['x-registry-config']);
  const one = parseRegistryAuth(request.headers['x-registry-auth']);
  const pushed = await transfer.pushIndex(
    {
      target: targetReference,
      sources: sources.map(parseReference),
      credentials: (domain) => several(domain) ?? (domain === targetReference.domain ? one : undefined),
    },
    request.signal,
  );
  return json(201, pushed);
}
