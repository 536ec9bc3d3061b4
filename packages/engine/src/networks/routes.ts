import { connectNetworkSchema, createNetworkSchema, disconnectNetworkSchema } from '@slipway/api/docker';
import {
  empty,
  json,
  queryFilters,
  type Route,
  type RouteRequest,
  readJson,
  requireKnownFilters,
} from '@slipway/http';
import type { NetworkService } from './service.ts';
import { networkFilter, toNetworkBody } from './wire.ts';

const LIST_FILTERS: ReadonlySet<string> = new Set([
  'dangling',
  'driver',
  'id',
  'label',
  'name',
  'scope',
  'type',
]);
const PRUNE_FILTERS: ReadonlySet<string> = new Set(['label', 'label!', 'until']);

/** Docker's network endpoints. @see Docker Engine API v1.51, Network */
export function networkRoutes(service: NetworkService): Route[] {
  const idOf = (request: RouteRequest) => request.params.id ?? '';
  const list: Route['handler'] = ({ query }) => {
    const filters = queryFilters(query);
    requireKnownFilters(filters, LIST_FILTERS);
    const found = service.list().filter(networkFilter(service, filters));
    return json(
      200,
      found.map((network) => toNetworkBody(service, network, { withContainers: false })),
    );
  };
  return [
    { method: 'GET', path: '/networks', handler: list },
    {
      method: 'POST',
      path: '/networks/create',
      handler: async (request) => {
        const network = await service.create(await readJson(request, createNetworkSchema));
        return json(201, { Id: network.id, Warning: '' });
      },
    },
    {
      method: 'POST',
      path: '/networks/prune',
      handler: async ({ query }) => {
        const filters = queryFilters(query);
        requireKnownFilters(filters, PRUNE_FILTERS);
        return json(200, { NetworksDeleted: await service.prune(networkFilter(service, filters)) });
      },
    },
    {
      method: 'GET',
      path: '/networks/:id',
      handler: (request) =>
        json(200, toNetworkBody(service, service.get(idOf(request)), { withContainers: true })),
    },
    {
      method: 'DELETE',
      path: '/networks/:id',
      handler: async (request) => {
        await service.remove(idOf(request));
        return empty(204);
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/connect',
      handler: async (request) => {
        const { Container, EndpointConfig } = await readJson(request, connectNetworkSchema);
        await service.connect(idOf(request), Container ?? '', EndpointConfig ?? {});
        return empty(200);
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/disconnect',
      handler: async (request) => {
        const { Container, Force } = await readJson(request, disconnectNetworkSchema);
        await service.disconnect(idOf(request), Container ?? '', { force: Force ?? false });
        return empty(200);
      },
    },
  ];
}
