import { createExecSchema, MULTIPLEXED_STREAM, RAW_STREAM, startExecSchema } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import {
  empty,
  hijack,
  json,
  queryFlag,
  queryTerminalSize,
  queryText,
  type Route,
  type RouteRequest,
  readJson,
  stream,
} from '@slipway/http';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { type PathStat, readArchive, statPath, writeArchive } from './files/archive.ts';
import { changesOf } from './files/changes.ts';
import { exportContainer } from './files/export.ts';
import { containerStats } from './observe/stats.ts';
import { topContainer } from './observe/top.ts';
import { attachContainer, resizeContainer } from './streams/attach.ts';
import {
  createExec,
  getExec,
  inspectExec,
  resizeExec,
  startExecAttached,
  startExecDetached,
} from './streams/exec.ts';
import { formatLogs, openLogs, parseLogTime, parseTail } from './streams/logs.ts';

const TAR = 'application/x-tar';

/** What clients do beside a container's life: look in, talk to it, copy. */
export function sideRoutes(context: ContainerContext): Route[] {
  return [...streamRoutes(context), ...execRoutes(context), ...fileRoutes(context), ...reportRoutes(context)];
}

const targetOf = (context: ContainerContext, request: RouteRequest): Container =>
  context.registry.get(request.params['id'] ?? '');

const streamType = (tty: boolean) => (tty ? RAW_STREAM : MULTIPLEXED_STREAM);

function streamRoutes(context: ContainerContext): Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/:id/attach',
      handler: (request) => {
        const { query } = request;
        const session = attachContainer(context, targetOf(context, request), {
          stdin: queryFlag(query, 'stdin'),
          stdout: queryFlag(query, 'stdout'),
          stderr: queryFlag(query, 'stderr'),
          stream: queryFlag(query, 'stream'),
          logs: queryFlag(query, 'logs'),
          detachKeys: queryText(query, 'detachKeys'),
        });
        return hijack(streamType(session.tty), async (connection) => {
          await session.serve(connection);
        });
      },
    },
    {
      method: 'POST',
      path: '/containers/:id/resize',
      handler: async (request) => {
        await resizeContainer(targetOf(context, request), queryTerminalSize(request.query));
        return empty(200);
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/logs',
      handler: async (request) => {
        const { query } = request;
        const container = targetOf(context, request);
        const entries = await openLogs(
          context,
          container,
          {
            stdout: queryFlag(query, 'stdout'),
            stderr: queryFlag(query, 'stderr'),
            follow: queryFlag(query, 'follow'),
            tail: parseTail(queryText(query, 'tail')),
            sinceNs: parseLogTime('since', queryText(query, 'since')),
            untilNs: parseLogTime('until', queryText(query, 'until')),
          },
          { signal: request.signal },
        );
        const format = { timestamps: queryFlag(query, 'timestamps'), details: queryFlag(query, 'details') };
        const tty = container.definition.config.Tty === true;
        return stream(200, streamType(tty), formatLogs(container, entries, format));
      },
    },
  ];
}

function execRoutes(context: ContainerContext): Route[] {
  const execOf = (request: RouteRequest) => getExec(context, request.params['id'] ?? '');
  return [
    {
      method: 'POST',
      path: '/containers/:id/exec',
      handler: async (request) => {
        const container = targetOf(context, request);
        const body = await readJson(request, createExecSchema);
        const exec = createExec(context, container, {
          args: body.Cmd ?? [],
          env: body.Env ?? [],
          workingDir: body.WorkingDir || undefined,
          user: body.User || undefined,
          tty: body.Tty === true,
          attachStdin: body.AttachStdin === true,
          attachStdout: body.AttachStdout === true,
          attachStderr: body.AttachStderr === true,
          privileged: body.Privileged === true,
          detachKeys: body.DetachKeys || undefined,
          consoleSize: consoleSizeOf(body.ConsoleSize),
        });
        return json(201, { Id: exec.id });
      },
    },
    {
      method: 'POST',
      path: '/exec/:id/start',
      handler: async (request) => {
        const { container, exec } = execOf(request);
        const body = await readJson(request, startExecSchema);
        const options = { consoleSize: consoleSizeOf(body.ConsoleSize) };
        if (body.Detach) {
          await startExecDetached(context, container, exec, options);
          return empty(200);
        }
        const session = startExecAttached(context, container, exec, options);
        return hijack(streamType(session.tty), (connection) => session.serve(connection));
      },
    },
    {
      method: 'POST',
      path: '/exec/:id/resize',
      handler: async (request) => {
        await resizeExec(execOf(request).exec, queryTerminalSize(request.query));
        return empty(200);
      },
    },
    {
      method: 'GET',
      path: '/exec/:id/json',
      handler: (request) => json(200, inspectExec(execOf(request).exec)),
    },
  ];
}

function fileRoutes(context: ContainerContext): Route[] {
  const pathOf = ({ query }: RouteRequest): string => {
    const path = queryText(query, 'path');
    if (path === undefined)
      throw new SlipwayError('InvalidArgument', 'bad parameter: the path is empty, set "path"');
    return path;
  };
  const statHeader = (stat: PathStat) => ({
    'X-Docker-Container-Path-Stat': Buffer.from(JSON.stringify(stat)).toString('base64'),
  });
  return [
    {
      method: 'HEAD',
      path: '/containers/:id/archive',
      handler: async (request) => {
        const stat = await statPath(context, targetOf(context, request), pathOf(request));
        return empty(200, statHeader(stat));
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/archive',
      handler: async (request) => {
        const { stat, body } = await readArchive(context, targetOf(context, request), pathOf(request));
        return stream(200, TAR, body, statHeader(stat));
      },
    },
    {
      method: 'PUT',
      path: '/containers/:id/archive',
      handler: async (request) => {
        await writeArchive(context, targetOf(context, request), pathOf(request), request.body, {
          noOverwriteDirNonDir: queryFlag(request.query, 'noOverwriteDirNonDir'),
          copyUidGid: queryFlag(request.query, 'copyUIDGID'),
        });
        return empty(200);
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/export',
      handler: async (request) =>
        stream(200, TAR, await exportContainer(context, targetOf(context, request))),
    },
    {
      method: 'GET',
      path: '/containers/:id/changes',
      handler: async (request) => {
        const changes = await changesOf(context, targetOf(context, request));
        return json(200, changes.length === 0 ? null : changes);
      },
    },
  ];
}

function reportRoutes(context: ContainerContext): Route[] {
  return [
    {
      method: 'GET',
      path: '/containers/:id/stats',
      handler: (request) => {
        const options = {
          stream: queryFlag(request.query, 'stream', true),
          oneShot: queryFlag(request.query, 'one-shot'),
        };
        const stats = containerStats(context, targetOf(context, request), options, {
          signal: request.signal,
        });
        return stream(200, 'application/json', jsonLines(stats));
      },
    },
    {
      method: 'GET',
      path: '/containers/:id/top',
      handler: async (request) =>
        json(200, await topContainer(targetOf(context, request), queryText(request.query, 'ps_args'))),
    },
  ];
}

async function* jsonLines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of values) yield `${JSON.stringify(value)}\n`;
}

/** `h` and `w`. @throws InvalidArgument when either is missing or no number. */

/** Docker writes the height first. */
const consoleSizeOf = (size: readonly [number, number] | undefined) =>
  size === undefined ? undefined : { rows: size[0], columns: size[1] };
