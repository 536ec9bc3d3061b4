import {
  createVolumeSchema,
  parseFilterFlag,
  type VolumeListBody,
  type VolumePruneBody,
} from '@slipway/api/docker';
import {
  empty,
  json,
  queryFilters,
  queryFlag,
  type Route,
  type RouteRequest,
  readJson,
  requireKnownFilters,
} from '@slipway/http';
import type { VolumeService } from './service.ts';
import { toVolumeBody, volumeFilter } from './wire.ts';

const LIST_FILTERS: ReadonlySet<string> = new Set(['dangling', 'driver', 'label', 'name']);
const PRUNE_FILTERS: ReadonlySet<string> = new Set(['all', 'label', 'label!']);

/** Docker's volume endpoints. @see Docker Engine API v1.51, Volume */
export function volumeRoutes(service: VolumeService): Route[] {
  const nameOf = (request: RouteRequest) => request.params.name ?? '';
  return [
    {
      method: 'GET',
      path: '/volumes',
      handler: ({ query }) => {
        const filters = queryFilters(query);
        requireKnownFilters(filters, LIST_FILTERS);
        const volumes = service.list().filter(volumeFilter(service, filters));
        const body: VolumeListBody = {
          Volumes: volumes.map((volume) => toVolumeBody(service, volume)),
          Warnings: null,
        };
        return json(200, body);
      },
    },
    {
      method: 'POST',
      path: '/volumes/create',
      handler: async (request) => {
        const { Name, Driver, DriverOpts, Labels } = await readJson(request, createVolumeSchema);
        const volume = await service.create({
          name: Name,
          driver: Driver,
          options: DriverOpts,
          labels: Labels,
        });
        return json(201, toVolumeBody(service, volume));
      },
    },
    {
      method: 'POST',
      path: '/volumes/prune',
      handler: async ({ query, version }) => {
        const filters = queryFilters(query);
        requireKnownFilters(filters, PRUNE_FILTERS);
        // Clients from before the filter mean all.
        const all =
          filters.get('all')?.some((value) => parseFilterFlag('all', value)) ?? isBefore(version, 42);
        const { removed, reclaimedBytes } = await service.prune({
          all,
          matches: volumeFilter(service, filters),
        });
        const body: VolumePruneBody = { VolumesDeleted: removed, SpaceReclaimed: reclaimedBytes };
        return json(200, body);
      },
    },
    {
      method: 'GET',
      path: '/volumes/:name',
      handler: (request) => json(200, toVolumeBody(service, service.get(nameOf(request)))),
    },
    {
      method: 'DELETE',
      path: '/volumes/:name',
      handler: async (request) => {
        await service.remove(nameOf(request), { force: queryFlag(request.query, 'force') });
        return empty(204);
      },
    },
  ];
}

const isBefore = (version: string, minor: number) => Number(version.split('.')[1]) < minor;
