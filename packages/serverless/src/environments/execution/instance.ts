import type { Clock, HostPath, Logger, Random } from '@slipway/base';
import type { LogWriter } from '../../logs/index.ts';
import type { Compute, FolderMount, OutputSink, Sandbox, SandboxRequest } from '../compute/compute.ts';
import type { RuntimeApiServer } from '../runtime-api/server.ts';
import { RuntimeApiSession } from '../runtime-api/session.ts';
import type { ResponseLimits } from '../runtime-api/streamed-response.ts';
import { TelemetrySubscriptions } from '../runtime-api/telemetry.ts';
import { GATE_PATH, type RuntimeDefinition } from '../runtimes/runtime.ts';
import { type Plan, runtimeMounts } from './plan.ts';

/** What environments stand on. */
export interface ExecutionContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly compute: Compute;
  readonly api: RuntimeApiServer;
  readonly writer: LogWriter;
  readonly limits: ResponseLimits;
  /** The program that waits in place of a runtime, on the host. */
  readonly gatePath: HostPath;
}

/** A sandbox with its side of the Runtime API, and somewhere to write. Disposing ends it. */
export interface Instance extends AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly session: RuntimeApiSession;
  readonly telemetry: TelemetrySubscriptions;
  /** Where its first process writes to; until it is set, nowhere. */
  output: OutputSink | undefined;
}

/**
 * A process that waits does not know how much memory its function will have: V8 is told to collect as if it had little,
 * and the kernel's limit holds.
 */
const WAITING_NODE = ['--max-semi-space-size=8', '--initial-old-space-size=48'];

/** Starts a version's own sandbox. With `gated`, its runtime waits until it is assigned. */
export async function startInstance(
  context: ExecutionContext,
  plan: Plan,
  { gated, output }: { readonly gated: boolean; readonly output: OutputSink },
): Promise<Instance> {
  const { version, args } = plan;
  return await start(context, {
    name: `lambda-${version.name}`,
    labels: labelsOf(plan),
    image: plan.image,
    entryPoint: gated ? gateArgs() : args,
    command: plan.command,
    workingDirectory: plan.workingDirectory,
    variables: plan.variables,
    mounts: [...runtimeMounts(plan.runtime), ...(gated ? gateMounts(context) : []), ...plan.mounts],
    tmpMb: version.ephemeralStorageMb,
    memoryMb: version.memoryMb,
    network: version.network,
    isolation: version.isolation,
    output,
  });
}

/** Starts a sandbox of a runtime for whichever function needs one first; resolves when it waits for that. */
export async function prepareInstance(
  context: ExecutionContext,
  runtime: RuntimeDefinition,
): Promise<Instance> {
  const isGate = runtime.preparation === 'gate';
  const [program = '', ...args] = runtime.args;
  const flags = runtime.name.startsWith('nodejs') ? WAITING_NODE : [];
  const instance = await start(context, {
    name: `lambda-prepared-${runtime.name.replace(/\W/g, '')}`,
    labels: { 'slipway.runtime': runtime.name },
    image: runtime.image,
    entryPoint: isGate ? gateArgs() : [program, ...flags, ...args],
    command: [],
    workingDirectory: '/',
    variables: { ...runtime.variables, SLIPWAY_PREPARED: '1', AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001' },
    mounts: [...runtimeMounts(runtime), ...(isGate ? gateMounts(context) : [])],
    tmpMb: undefined,
    memoryMb: undefined,
    network: 'outbound',
    isolation: undefined,
    output: undefined,
  });
  const ended = await Promise.race([instance.session.waitsForAssignment.promise, instance.sandbox.exited]);
  if (ended === undefined) return instance;
  await instance[Symbol.asyncDispose]();
  throw new Error(`a prepared ${runtime.name} ended with ${ended.exitCode}`);
}

export const labelsOf = ({ version, runtime }: Plan): Record<string, string> => ({
  'slipway.function': version.name,
  'slipway.version': version.version,
  ...(runtime === undefined ? {} : { 'slipway.runtime': runtime.name }),
});

const gateArgs = (): readonly string[] => [GATE_PATH, 'gate'];
const gateMounts = ({ gatePath }: ExecutionContext): readonly FolderMount[] => [
  { target: GATE_PATH, sources: [gatePath] },
];

async function start(
  context: ExecutionContext,
  request: Omit<SandboxRequest, 'onConnection' | 'output'> & { readonly output: OutputSink | undefined },
): Promise<Instance> {
  const { compute, api, random, clock, logger, limits } = context;
  const telemetry = new TelemetrySubscriptions({
    clock,
    logger,
    connect: (port) => sandbox.connect(port),
  });
  const session = new RuntimeApiSession({ limits, telemetry });
  const output: { target: OutputSink | undefined } = { target: request.output };
  const sandbox = await compute.start({
    ...request,
    name: `${request.name}-${random.hex(6)}`,
    onConnection: (connection) => api.accept(connection, session),
    output: { write: (chunk) => output.target?.write(chunk) },
  });
  return {
    sandbox,
    session,
    telemetry,
    get output() {
      return output.target;
    },
    set output(target) {
      output.target = target;
    },
    async [Symbol.asyncDispose]() {
      telemetry[Symbol.dispose]();
      await sandbox[Symbol.asyncDispose]();
    },
  };
}
