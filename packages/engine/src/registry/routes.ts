import { isDigestReference, KEEPER } from '@slipway/distribution/server';
import { empty, json, queryFlag, type Route, type RouteRequest, readJson } from '@slipway/http';
import { z } from 'zod';
import type { Registry, RepositorySettings } from './registry.ts';

const settingsSchema = z.strictObject({
  immutableTags: z.boolean().optional(),
  /** `null`: none. */
  quotaBytes: z.number().int().nonnegative().nullable().optional(),
});
const createSchema = settingsSchema.extend({ name: z.string() });
const collectSchema = z.strictObject({ graceMs: z.number().nonnegative().optional() });
const webhookSchema = z.strictObject({
  url: z.string(),
  repositories: z.string().min(1).optional(),
  secret: z.string().min(1).optional(),
});

/** The registry's keeping, for the Unix socket: whoever reaches it may do everything. Bodies are the plain values of `Registry`. */
export function registryAdminRoutes(registry: Registry): Route[] {
  return [
    { method: 'GET', path: '/slipway/registry', handler: async () => json(200, await registry.status()) },
    {
      method: 'POST',
      path: '/slipway/registry/gc',
      handler: async (request) => {
        const { graceMs } = await readJson(request, collectSchema);
        return json(200, await registry.collectGarbage(graceMs === undefined ? {} : { graceMs }));
      },
    },
    ...repositoryRoutes(registry),
    {
      method: 'GET',
      path: '/slipway/registry/webhooks',
      handler: async () => json(200, await registry.listWebhooks()),
    },
    {
      method: 'POST',
      path: '/slipway/registry/webhooks',
      handler: async (request) => {
        const { url, repositories, secret } = await readJson(request, webhookSchema);
        const hook = { url, secret, ...(repositories === undefined ? {} : { repositories }) };
        return json(201, await registry.addWebhook(hook));
      },
    },
    {
      method: 'DELETE',
      path: '/slipway/registry/webhooks/:id',
      handler: async ({ params }) => {
        await registry.removeWebhook(params.id ?? '');
        return empty(204);
      },
    },
  ];
}

function repositoryRoutes(registry: Registry): Route[] {
  const nameOf = (request: RouteRequest) => request.params['*'] ?? '';
  return [
    {
      method: 'GET',
      path: '/slipway/registry/repositories',
      handler: async () => json(200, await registry.describeRepositories(KEEPER)),
    },
    {
      method: 'POST',
      path: '/slipway/registry/repositories',
      handler: async (request) => {
        const { name, ...settings } = await readJson(request, createSchema);
        return json(201, await registry.createRepository(name, toSettings(settings)));
      },
    },
    {
      method: 'POST',
      path: '/slipway/registry/repositories/*/settings',
      handler: async (request) => {
        const settings = toSettings(await readJson(request, settingsSchema));
        return json(200, await registry.updateRepository(nameOf(request), settings));
      },
    },
    {
      method: 'GET',
      path: '/slipway/registry/repositories/*/manifests',
      handler: async (request) => json(200, await registry.describeManifests(nameOf(request))),
    },
    {
      method: 'DELETE',
      path: '/slipway/registry/repositories/*/manifests',
      handler: async (request) => {
        const reference = request.query.get('reference') ?? '';
        await (isDigestReference(reference)
          ? registry.deleteManifest(nameOf(request), reference, KEEPER)
          : registry.deleteTag(nameOf(request), reference, KEEPER));
        return empty(204);
      },
    },
    {
      method: 'GET',
      path: '/slipway/registry/repositories/*',
      handler: async (request) => json(200, await registry.describeRepository(nameOf(request))),
    },
    {
      method: 'DELETE',
      path: '/slipway/registry/repositories/*',
      handler: async (request) => {
        await registry.deleteRepository(nameOf(request), { force: queryFlag(request.query, 'force') });
        return empty(204);
      },
    },
  ];
}

const toSettings = ({
  immutableTags,
  quotaBytes,
}: z.infer<typeof settingsSchema>): Partial<RepositorySettings> => ({
  ...(immutableTags === undefined ? {} : { immutableTags }),
  ...(quotaBytes === undefined ? {} : { quotaBytes: quotaBytes ?? undefined }),
});
