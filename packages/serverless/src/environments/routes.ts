import { progressOf } from '@slipway/engine/images';
import { json, progress, type Route } from '@slipway/http';
import type { FunctionCatalog } from '../functions/index.ts';
import type { EnvironmentService } from './service.ts';

/**
 * Slipway's own: `GET /slipway/runtimes` lists them, `POST /slipway/runtimes/{name}/prepare` makes the image of one, with
 * docker's progress messages. `POST /slipway/functions/{name}/copies` makes a container like a function's environments.
 */
export function environmentRoutes(
  environments: EnvironmentService,
  catalog: Pick<FunctionCatalog, 'resolve'>,
): Route[] {
  return [
    {
      method: 'POST',
      path: '/slipway/functions/:name/copies',
      handler: async ({ params, query, signal }) => {
        const { version } = catalog.resolve(params.name ?? '', query.get('qualifier') ?? undefined);
        return json(201, { containerId: await environments.openCopy(version, { signal }) });
      },
    },
    {
      method: 'GET',
      path: '/slipway/runtimes',
      handler: async () => json(200, { runtimes: await environments.listRuntimes() }),
    },
    {
      method: 'POST',
      path: '/slipway/runtimes/:name/prepare',
      handler: ({ params, signal }) => {
        const name = params.name ?? '';
        const work: Parameters<typeof progressOf>[0] = async (report, aborted) => {
          const onProgress = (status: string) => report({ status, id: name });
          await environments.prepareRuntime(name, { onProgress, signal: aborted });
          report({ status: `Runtime ${name} is ready` });
        };
        return progress(progressOf(work, signal));
      },
    },
  ];
}
