import type { Duplex } from 'node:stream';
import { SlipwayError } from '@slipway/base';
import { type Handler, hijack, type Reply, type Route, type RouteRequest } from '@slipway/http';
import type { BuildKitContext, BuildKitOptions } from './context.ts';
import { Jobs } from './job.ts';
import { Sessions } from './sessions.ts';
import { Uploads } from './uploads.ts';

/** BuildKit's API, loaded when the first client asks: what it stands on costs an idle daemon nothing. */
export interface BuildKit {
  readonly routes: readonly Route[];
  /** `POST /build?version=2`, which has its address with the classic builder's. */
  readonly build: Handler;
}

/** `POST /grpc` and `POST /session`, each a connection that becomes HTTP/2. */
export function openBuildKit(options: BuildKitOptions): BuildKit {
  const { clock } = options;
  const context: BuildKitContext = { ...options, sessions: new Sessions(clock), jobs: new Jobs(clock) };
  let server: Promise<import('./server.ts').BuildKitServer> | undefined;
  const open = () => {
    server ??= import('./server.ts').then(({ BuildKitServer }) => new BuildKitServer(context));
    return server;
  };
  const uploads = new Uploads(clock);
  return {
    build: async (request) => {
      const { oldBuild } = await import('./old-build.ts');
      return await oldBuild(context, uploads, request);
    },
    routes: [
      {
        method: 'POST',
        path: '/grpc',
        upgradesTo: 'h2c',
        handler: () => serveGrpc(open),
        http2: async ({ socket, signal }) => (await open()).serve(socket as Duplex, signal),
      },
      {
        method: 'POST',
        path: '/session',
        upgradesTo: 'h2c',
        handler: (request) => serveSession(context, request),
      },
    ],
  };
}

async function serveGrpc(open: () => Promise<import('./server.ts').BuildKitServer>): Promise<Reply> {
  const server = await open();
  return hijack('application/grpc', async ({ socket, signal }) => {
    if (socket === undefined) throw needsUpgrade('/grpc');
    await server.serve(socket, signal);
  });
}

async function serveSession({ sessions }: BuildKitContext, { headers }: RouteRequest): Promise<Reply> {
  const id = headers['x-docker-expose-session-uuid'];
  if (!id) throw new SlipwayError('InvalidArgument', 'the header X-Docker-Expose-Session-Uuid is missing');
  const sharedKey = headers['x-docker-expose-session-sharedkey'] || undefined;
  // Before the connection becomes HTTP/2, as nothing may be read from it until somebody does.
  const { openSession } = await import('./session.ts');
  return hijack('application/grpc', async ({ socket, signal }) => {
    if (socket === undefined) throw needsUpgrade('/session');
    await sessions.serve(openSession({ id, sharedKey }, socket), signal);
  });
}

const needsUpgrade = (path: string) =>
  new SlipwayError('InvalidArgument', `POST ${path} needs the header Upgrade: h2c`);
