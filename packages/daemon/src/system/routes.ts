import {
  json,
  queryFilters,
  queryList,
  queryText,
  type Reply,
  type Route,
  requireKnownFilters,
  stream,
} from '@slipway/http';
import { EVENT_FILTERS, eventLines, parseMomentNs } from './events.ts';
import type { SystemContext, SystemService } from './service.ts';

/** What clients ask before anything else, and of the engine as a whole. */
export function systemRoutes(service: SystemService, { events, clock }: SystemContext): readonly Route[] {
  return [
    { method: 'GET', path: '/_ping', handler: () => ping('OK') },
    { method: 'HEAD', path: '/_ping', handler: () => ping('') },
    { method: 'GET', path: '/version', handler: () => json(200, service.version()) },
    { method: 'GET', path: '/info', handler: () => json(200, service.info()) },
    {
      method: 'GET',
      path: '/events',
      handler: ({ query, signal }) => {
        const filters = queryFilters(query);
        requireKnownFilters(filters, EVENT_FILTERS);
        const sinceNs = parseMomentNs('since', queryText(query, 'since'));
        const untilNs = parseMomentNs('until', queryText(query, 'until'));
        return stream(
          200,
          'application/json',
          eventLines(events, clock, { sinceNs, untilNs, filters }, signal),
        );
      },
    },
    {
      method: 'GET',
      path: '/system/df',
      handler: async ({ query, version }) =>
        json(200, await service.diskUsage(queryList(query, 'type'), version)),
    },
  ];
}

/** Clients read the builder they should use, and whether a swarm is there, from the headers. */
const PING_HEADERS = {
  'Builder-Version': '1',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  Swarm: 'inactive',
};

const ping = (text: string): Reply =>
  stream(
    200,
    'text/plain; charset=utf-8',
    (async function* () {
      yield text;
    })(),
    {
      ...PING_HEADERS,
      'Content-Length': String(text.length),
    },
  );
