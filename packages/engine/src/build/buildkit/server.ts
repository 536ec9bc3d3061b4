import { once } from 'node:events';
import { Duplex } from 'node:stream';
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Metadata as GrpcMetadata, type Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { SlipwayError } from '@slipway/base';
import { bridgeReturn, bridgeSolve, pong, resolveImageConfig } from './bridge.ts';
import type { BuildKitContext } from './context.ts';
import * as control from './control.ts';
import { statusBytes, toStatus } from './errors.ts';
import type { Job } from './job.ts';
import { messageType } from './messages.ts';
import { openSession } from './session.ts';

// biome-ignore lint/suspicious/noExplicitAny: as messageType
type Message = any;

/** What a method is called with beside its message. */
interface CallContext {
  readonly signal: AbortSignal;
  /** The build that the client says it is part of. */
  readonly job: () => Promise<Job>;
}

type Unary = (request: Message, call: CallContext) => Promise<object> | object;
type Streaming = (request: Message, call: CallContext) => AsyncIterable<object>;

type Bytes = ServerDuplexStream<{ data: Buffer }, { data: Uint8Array }>;

type Method = { readonly types: readonly [string, string] } & (
  | { readonly unary: Unary }
  | { readonly streaming: Streaming }
  | { readonly tunnel: (bytes: Bytes, signal: AbortSignal) => Promise<void> }
);

/** Ties the calls of a build together. */
const BUILD_ID = 'buildkit-controlapi-buildid';

function controlMethods(context: BuildKitContext): Record<string, Method> {
  const { builds, version } = context;
  return {
    ListWorkers: {
      types: ['Empty', 'ListWorkersResponse'],
      unary: () => ({ record: [control.worker(context)] }),
    },
    Info: {
      types: ['Empty', 'InfoResponse'],
      unary: () => ({ buildkitVersion: control.buildkitVersion(version) }),
    },
    Solve: {
      types: ['ControlSolveRequest', 'ControlSolveResponse'],
      unary: (request, { signal }) => control.solve(context, request, signal),
    },
    Session: {
      types: ['BytesMessage', 'BytesMessage'],
      tunnel: (bytes, signal) => serveTunnel(context, bytes, signal),
    },
    Status: {
      types: ['StatusRequest', 'StatusResponse'],
      streaming: (request) => control.status(context, request),
    },
    DiskUsage: {
      types: ['DiskUsageRequest', 'DiskUsageResponse'],
      unary: async () => ({ record: (await builds.solver.listCache()).map(control.toUsage) }),
    },
    Prune: {
      types: ['PruneRequest', 'UsageRecord'],
      streaming: (request) => control.prune(context, request),
    },
    ListenBuildHistory: {
      types: ['BuildHistoryRequest', 'BuildHistoryEvent'],
      streaming: (request) => control.history(context, request),
    },
    UpdateBuildHistory: {
      types: ['UpdateBuildHistoryRequest', 'Empty'],
      unary: ({ Ref, Delete }) => {
        if (!Delete) throw new SlipwayError('NotImplemented', 'builds are not pinned: the newest are kept');
        builds.forget(Ref);
        return {};
      },
    },
  };
}

function bridgeMethods(context: BuildKitContext): Record<string, Method> {
  return {
    Ping: { types: ['Empty', 'PongResponse'], unary: () => pong(context) },
    Solve: {
      types: ['BridgeSolveRequest', 'BridgeSolveResponse'],
      unary: async (request, { job }) => await bridgeSolve(context, await job(), request),
    },
    Return: {
      types: ['ReturnRequest', 'Empty'],
      unary: async (request, { job }) => bridgeReturn(await job(), request),
    },
    ResolveImageConfig: {
      types: ['ResolveImageConfigRequest', 'ResolveImageConfigResponse'],
      unary: async (request, { job }) => await resolveImageConfig(context, await job(), request),
    },
    Inputs: { types: ['Empty', 'InputsResponse'], unary: () => ({}) },
    // What was solved was made at once.
    Evaluate: { types: ['EvaluateRequest', 'Empty'], unary: () => ({}) },
  };
}

/** BuildKit's gRPC server. It listens nowhere: connections are given to it. */
export class BuildKitServer {
  readonly #server = new Server({ 'grpc.max_receive_message_length': 32 * 1024 * 1024 });
  readonly #injector: ReturnType<Server['createConnectionInjector']>;

  constructor(context: BuildKitContext) {
    this.#add(context, 'moby.buildkit.v1.Control', controlMethods(context));
    this.#add(context, 'moby.buildkit.v1.frontend.LLBBridge', bridgeMethods(context));
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Serves a connection until it ends. */
  async serve(socket: Duplex, signal: AbortSignal): Promise<void> {
    const closed = once(socket, 'close');
    const destroy = () => socket.destroy();
    signal.addEventListener('abort', destroy, { once: true });
    // The server's sockets may be half open; HTTP/2 has no use for one that is.
    socket.once('end', destroy);
    this.#injector.injectConnection(socket);
    await closed.catch(() => {});
    signal.removeEventListener('abort', destroy);
  }

  #add(context: BuildKitContext, service: string, methods: Record<string, Method>): void {
    const definition: Record<string, object> = {};
    const implementation: Record<string, unknown> = {};
    for (const [name, method] of Object.entries(methods)) {
      const [request, response] = method.types.map(messageType);
      definition[name] = {
        path: `/${service}/${name}`,
        requestStream: 'tunnel' in method,
        responseStream: !('unary' in method),
        requestDeserialize: request?.decode,
        requestSerialize: request?.encode,
        responseSerialize: response?.encode,
        responseDeserialize: response?.decode,
      };
      implementation[name] =
        'unary' in method
          ? unaryHandler(context, method.unary)
          : 'streaming' in method
            ? streamingHandler(context, method.streaming)
            : tunnelHandler(context, method.tunnel);
    }
    this.#server.addService(definition as ServiceDefinition, implementation as UntypedServiceImplementation);
  }
}

function unaryHandler(context: BuildKitContext, run: Unary) {
  return async (call: ServerUnaryCall<Message, object>, callback: sendUnaryData<object>): Promise<void> => {
    const given = callContext(context, call);
    try {
      callback(null, await run(call.request, given));
    } catch (error) {
      callback(serviceError(context, error, given.signal));
    }
  };
}

function streamingHandler(context: BuildKitContext, run: Streaming) {
  return async (call: ServerWritableStream<Message, object>): Promise<void> => {
    const given = callContext(context, call);
    try {
      for await (const message of run(call.request, given)) {
        if (given.signal.aborted) return;
        if (!call.write(message)) await once(call, 'drain', { signal: given.signal });
      }
      call.end();
    } catch (error) {
      call.emit('error', serviceError(context, error, given.signal));
    }
  };
}

function tunnelHandler(context: BuildKitContext, run: (bytes: Bytes, signal: AbortSignal) => Promise<void>) {
  return async (call: Bytes): Promise<void> => {
    const { signal } = callContext(context, call);
    try {
      await run(call, signal);
      call.end();
    } catch (error) {
      call.emit('error', serviceError(context, error, signal));
    }
  };
}

/** A session whose connection goes within a call, as clients open it that have no other way to the daemon. */
async function serveTunnel({ sessions }: BuildKitContext, bytes: Bytes, signal: AbortSignal): Promise<void> {
  const headerOf = (name: string) => String(bytes.metadata.get(name)[0] ?? '');
  const id = headerOf('x-docker-expose-session-uuid');
  if (id === '')
    throw new SlipwayError('InvalidArgument', 'the metadata X-Docker-Expose-Session-Uuid is missing');
  const socket = new Duplex({
    read: () => {
      bytes.resume();
    },
    write: (data: Buffer, _encoding, done) => {
      bytes.write({ data }, () => done());
    },
    final: (done) => {
      bytes.end();
      done();
    },
  });
  bytes.on('data', ({ data }) => {
    if (!socket.push(data)) bytes.pause();
  });
  bytes.once('end', () => socket.push(null));
  bytes.on('error', () => socket.destroy());
  const sharedKey = headerOf('x-docker-expose-session-sharedkey') || undefined;
  await sessions.serve(openSession({ id, sharedKey }, socket), signal);
}

function callContext(
  { jobs }: BuildKitContext,
  call: { metadata: Metadata; on(event: 'cancelled', run: () => void): unknown },
): CallContext {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(new SlipwayError('Canceled', 'context canceled')));
  return {
    signal: controller.signal,
    job: () => jobs.get(String(call.metadata.get(BUILD_ID)[0] ?? '')),
  };
}

function serviceError({ logger }: BuildKitContext, error: unknown, signal: AbortSignal) {
  const status = toStatus(error, signal);
  logger.debug({ err: error, code: status.code }, 'build call failed');
  const metadata = new GrpcMetadata();
  if (status.details.length > 0) metadata.set('grpc-status-details-bin', statusBytes(status));
  return {
    name: 'BuildError',
    code: status.code,
    message: status.message,
    details: status.message,
    metadata,
  };
}
