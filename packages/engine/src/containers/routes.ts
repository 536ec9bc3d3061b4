import {
  type ContainerConfig,
  containerConfigSchema,
  createContainerSchema,
  updateContainerSchema,
} from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import {
  empty,
  json,
  queryFilters,
  queryFlag,
  queryInteger,
  queryList,
  queryText,
  type Reply,
  type Route,
  type RouteRequest,
  readJson,
  stream,
} from '@slipway/http';
import { targetReference } from '../images/index.ts';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { createContainer } from './create/create.ts';
import { inspectContainer } from './observe/inspect.ts';
import { listContainers } from './observe/list.ts';
import { startContainer } from './run/start.ts';
import { sideRoutes } from './side-routes.ts';
import { commitContainer } from './verbs/commit.ts';
import { pauseContainer, unpauseContainer } from './verbs/pause.ts';
import { pruneContainers } from './verbs/prune.ts';
import { removeContainer } from './verbs/remove.ts';
import { renameContainer } from './verbs/rename.ts';
import { killContainer, restartContainer, stopContainer } from './verbs/stop.ts';
import { updateContainer } from './verbs/update.ts';
import { type WaitCondition, waitFor } from './verbs/wait.ts';

const WAIT_CONDITIONS: readonly string[] = ['not-running', 'next-exit', 'removed'] satisfies WaitCondition[];

/** The containers' part of the Docker Engine API. */
export function containerRoutes(context: ContainerContext): Route[] {
  const target = (request: RouteRequest): Container => context.registry.get(request.params['id'] ?? '');
  /** A row for a verb that answers nothing. */
  const verb = (
    path: string,
    run: (container: Container, request: RouteRequest) => Promise<void>,
  ): Route => ({
    method: 'POST',
    path: `/containers/:id/${path}`,
    handler: async (request) => {
      await run(target(request), request);
      return empty(204);
    },
  });
  return [
    {
      method: 'GET',
      path: '/containers/json',
      handler: async ({ query }) =>
        json(
          200,
          await listContainers(context, {
            all: queryFlag(query, 'all'),
            limit: queryInteger(query, 'limit') ?? 0,
            size: queryFlag(query, 'size'),
            filters: queryFilters(query),
          }),
        ),
    },
    {
      method: 'POST',
      path: '/containers/create',
      handler: async (request) => {
        const { container, warnings } = await createContainer(context, {
          name: request.query.get('name') ?? '',
          platform: request.query.get('platform') ?? '',
          body: await readJson(request, createContainerSchema),
        });
        return json(201, { Id: container.definition.id, Warnings: warnings });
      },
    },
    {
      method: 'POST',
      path: '/containers/prune',
      since: '1.25',
      handler: async ({ query }) => {
        const { removed, reclaimedBytes } = await pruneContainers(context, queryFilters(query));
        return json(200, {
          ContainersDeleted: removed.length > 0 ? removed : null,
          SpaceReclaimed: reclaimedBytes,
        });
      },
    },
    {
      method: 'POST',
      path: '/commit',
      handler: (request) => commit(context, request),
    },
    {
      method: 'GET',
      path: '/containers/:id/json',
      handler: async (request) =>
        json(
          200,
          await inspectContainer(context, target(request), { size: queryFlag(request.query, 'size') }),
        ),
    },
    {
      method: 'DELETE',
      path: '/containers/:id',
      handler: async (request) => {
        const container = target(request);
        if (queryFlag(request.query, 'link')) {
          throw new SlipwayError(
            'InvalidArgument',
            'links between containers are not supported; use a network and names',
          );
        }
        await removeContainer(context, container, {
          removeVolumes: queryFlag(request.query, 'v'),
          force: queryFlag(request.query, 'force'),
        });
        return empty(204);
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/wait',
      handler: (request) => {
        const condition = request.query.get('condition') || 'not-running';
        if (!WAIT_CONDITIONS.includes(condition)) {
          throw new SlipwayError('InvalidArgument', `invalid condition: "${condition}"`);
        }
        // It listens before the headers are flushed: the client starts the container when it has seen them.
        const waiting = waitFor(target(request), condition as WaitCondition, request);
        return stream(200, 'application/json', waitBody(waiting));
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/update',
      since: '1.22',
      handler: async (request) => {
        await updateContainer(context, target(request), await readJson(request, updateContainerSchema));
        return json(200, { Warnings: null });
      },
    },
    verb('start', (container) => startContainer(context, container)),
    verb('stop', (container, { query }) =>
      stopContainer(context, container, {
        signal: queryText(query, 'signal'),
        timeoutSeconds: queryInteger(query, 't'),
      }),
    ),
    verb('restart', (container, { query }) =>
      restartContainer(context, container, {
        signal: queryText(query, 'signal'),
        timeoutSeconds: queryInteger(query, 't'),
      }),
    ),
    verb('kill', (container, { query }) => killContainer(context, container, query.get('signal') ?? '')),
    verb('pause', (container) => pauseContainer(context, container)),
    verb('unpause', (container) => unpauseContainer(context, container)),
    verb('rename', (container, { query }) => renameContainer(context, container, query.get('name') ?? '')),
    ...sideRoutes(context),
  ];
}

async function* waitBody(waiting: ReturnType<typeof waitFor>): AsyncIterable<string> {
  const end = await waiting;
  if (end === undefined) return;
  const error = end.error === '' ? {} : { Error: { Message: end.error } };
  yield `${JSON.stringify({ StatusCode: end.exitCode, ...error })}\n`;
}

async function commit(context: ContainerContext, request: RouteRequest): Promise<Reply> {
  const { query, signal } = request;
  const container = context.registry.get(query.get('container') ?? '');
  const config: ContainerConfig = await readJson(request, containerConfigSchema);
  const isGiven = Object.values(config).some((value) => value !== undefined);
  const repository = queryText(query, 'repo');
  const image = await commitContainer(context, container, {
    config: isGiven ? config : undefined,
    changes: queryList(query, 'changes'),
    author: query.get('author') ?? '',
    comment: query.get('comment') ?? '',
    pauses: queryText(query, 'pause') === undefined || queryFlag(query, 'pause'),
    reference: repository === undefined ? undefined : targetReference(repository, query.get('tag') ?? ''),
    signal,
  });
  return json(201, { Id: image.id });
}
