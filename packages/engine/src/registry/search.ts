import { SlipwayError } from '@slipway/base';
import type { Doorkeeper } from '@slipway/distribution/server';
import { json, ociErrorReply, queryInteger, type Reply, type Route } from '@slipway/http';
import type { Registry } from './registry.ts';

const DEFAULT_RESULTS = 25;
const MAX_RESULTS = 100;

/**
 * `docker search HOST/term`: names that contain the term, among those that the visitor may pull.
 * @see Docker Registry HTTP API v1, which docker's search still speaks
 */
export function searchRoutes(registry: Registry, doorkeeper: Doorkeeper): Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/_ping',
      handler: () => json(200, { standalone: true }, { 'X-Docker-Registry-Standalone': 'True' }),
    },
    {
      method: 'GET',
      path: '/v1/search',
      handler: async ({ query, headers }) => {
        const visitor = await doorkeeper.admit(headers);
        if (visitor.name === undefined && !visitor.isAdmin && headers['authorization'] === undefined) {
          return askWho(doorkeeper, headers['host'] ?? '');
        }
        const term = query.get('q') ?? '';
        const pageSize = Math.min(Math.max(queryInteger(query, 'n') || DEFAULT_RESULTS, 1), MAX_RESULTS);
        const page = Math.max(queryInteger(query, 'page') || 1, 1);
        const names = await registry.listRepositories({ limit: Number.POSITIVE_INFINITY, visitor });
        const found = names.filter((name) => name.includes(term.toLowerCase()));
        return json(200, {
          query: term,
          page,
          page_size: pageSize,
          num_pages: Math.ceil(found.length / pageSize),
          num_results: found.length,
          results: found.slice((page - 1) * pageSize, page * pageSize).map((name) => ({
            name,
            description: '',
            star_count: 0,
            is_official: false,
            is_automated: false,
            is_trusted: false,
          })),
        });
      },
    },
  ];
}

/** As the catalogue does: clients send their login only when they are asked for it. */
function askWho(doorkeeper: Doorkeeper, host: string): Reply {
  const error = new SlipwayError('Unauthenticated', 'log in to search this registry', {
    reason: 'UNAUTHORIZED',
  });
  const challenge = `${doorkeeper.challenge({ host })},scope="registry:catalog:*"`;
  return ociErrorReply(error, { 'www-authenticate': challenge });
}
