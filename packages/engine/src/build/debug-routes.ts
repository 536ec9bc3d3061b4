import { MULTIPLEXED_STREAM, RAW_STREAM } from '@slipway/api/docker';
import { AsyncQueue, SlipwayError } from '@slipway/base';
import type { DebugSession, Solver } from '@slipway/build';
import {
  detachKeysOf,
  empty,
  type HijackedConnection,
  hijack,
  json,
  type OutputPiece,
  queryFlag,
  queryList,
  queryTerminalSize,
  type Reply,
  type Route,
  type RouteRequest,
  serveSession,
} from '@slipway/http';
import { readSecrets } from './own/secrets.ts';

const OUTPUT_BUFFER_BYTES = 1 << 20;

/** Slipway's own: the steps that failed, and commands in what they left. */
export function debugRoutes(solver: Solver): Route[] {
  const open = new Map<string, DebugSession>();
  const idOf = ({ params }: RouteRequest): string => params['id'] ?? '';
  return [
    {
      method: 'GET',
      path: '/slipway/failed-steps',
      handler: async () => json(200, await solver.listFailedSteps()),
    },
    {
      method: 'POST',
      path: '/slipway/failed-steps/:id/debug',
      handler: (request) => debug(solver, open, idOf(request), request),
    },
    {
      method: 'POST',
      path: '/slipway/failed-steps/:id/resize',
      handler: async (request) => {
        const session = open.get(idOf(request));
        if (session === undefined) throw new SlipwayError('NotFound', `nobody is in ${idOf(request)}`);
        await session.process.resize(queryTerminalSize(request.query));
        return empty(200);
      },
    },
    {
      method: 'DELETE',
      path: '/slipway/failed-steps/:id',
      handler: async (request) => {
        await solver.removeFailedStep(idOf(request));
        return empty(204);
      },
    },
  ];
}

/** The command is started before the connection is taken, so that what is wrong with it is an ordinary answer. */
async function debug(
  solver: Solver,
  open: Map<string, DebugSession>,
  id: string,
  { query, headers, signal }: RouteRequest,
): Promise<Reply> {
  const [terminal, stdin] = [queryFlag(query, 'tty'), queryFlag(query, 'stdin')];
  const output = new AsyncQueue<OutputPiece>({
    capacity: OUTPUT_BUFFER_BYTES,
    onOverflow: 'wait',
    weigh: (piece: OutputPiece) => piece.bytes.byteLength,
  });
  const session = await solver.debug(id, {
    args: queryList(query, 'cmd'),
    terminal,
    stdin,
    secrets: readSecrets(headers['x-slipway-build-secrets']),
    attach: { write: (piece) => output.pushWhenRoom(piece), end: () => output.end() },
    signal: new AbortController().signal,
  });
  open.set(id, session);
  // A client that goes before the connection is its own leaves nothing behind. Whoever serves it hears of a failure.
  signal.addEventListener('abort', () => session[Symbol.asyncDispose]().then(undefined, () => {}), {
    once: true,
  });
  return hijack(terminal ? RAW_STREAM : MULTIPLEXED_STREAM, async (connection) => {
    try {
      await serve(connection, session, { output, terminal, stdin });
    } finally {
      open.delete(id);
      await output.return();
      await session[Symbol.asyncDispose]();
    }
  });
}

async function serve(
  connection: HijackedConnection,
  { process, exited }: DebugSession,
  {
    output,
    terminal,
    stdin,
  }: { readonly output: AsyncQueue<OutputPiece>; readonly terminal: boolean; readonly stdin: boolean },
): Promise<void> {
  await serveSession(connection, {
    output,
    stdout: true,
    stderr: true,
    tty: terminal,
    stdin: stdin
      ? { process: Promise.resolve(process), detachKeys: detachKeysOf(undefined), closeAtEnd: true }
      : undefined,
    over: exited,
  });
}
