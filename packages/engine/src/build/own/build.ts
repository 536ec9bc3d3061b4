import { AsyncQueue, errorMessage, SlipwayError } from '@slipway/base';
import { type BuildResult, type BuildSession, type DockerfilePlan, FailedStepError } from '@slipway/build';
import { checkDockerfile, DockerfileError, parseDockerfile } from '@slipway/dockerfile';
import { formatFamiliar, hostPlatform } from '@slipway/oci';
import type { PreparedBuild } from '../classic/prepared.ts';
import type { BuildService } from '../service.ts';
import { type BuildMessage, toMessage } from './messages.ts';

/** What becomes of the build: an image of the engine, or an archive for the client. */
export type OwnOutput = 'image' | 'tar' | 'oci' | 'docker' | 'check';

export interface OwnBuild {
  readonly prepared: PreparedBuild;
  readonly output: OwnOutput;
}

/** More events than a reader on this machine can fall behind; one that does is cut off. */
const EVENT_BACKLOG = 200_000;
/** Pieces of an archive that may wait. */
const OUTPUT_BACKLOG = 16;

/** Builds and tells of every step as it goes. It stops when nobody reads any more. */
export async function* runOwnBuild(
  builds: BuildService,
  { prepared, output }: OwnBuild,
  outer: AbortSignal,
): AsyncGenerator<BuildMessage> {
  await using _context = prepared;
  const { request, session } = prepared;
  const controller = new AbortController();
  const events = new AsyncQueue<BuildMessage>({ capacity: EVENT_BACKLOG, onOverflow: 'fail' });
  const outputs = new AsyncQueue<BuildMessage>({ capacity: OUTPUT_BACKLOG, onOverflow: 'wait' });
  const signal = AbortSignal.any([outer, controller.signal]);
  const name = request.references[0] === undefined ? 'build' : formatFamiliar(request.references[0]);
  const work =
    output === 'check'
      ? Promise.resolve().then(() => check(prepared, (message) => events.push(message)))
      : builds.run({ name, id: request.buildId }, signal, (stop, build) =>
          buildAndExport(builds, { prepared, output }, { session, signal: stop, events, outputs, ...build }),
        );
  const done = work
    .catch((error: unknown) => outputs.push(toError(error)))
    .finally(() => {
      events.end();
      outputs.end();
    });
  try {
    yield* events;
    yield* outputs;
  } finally {
    controller.abort(new SlipwayError('Canceled', 'nobody reads of the build any more'));
    // Else the one that writes waits for room for ever.
    await outputs.return();
    await done;
  }
}

interface OwnCall {
  readonly session: BuildSession;
  readonly signal: AbortSignal;
  readonly events: AsyncQueue<BuildMessage>;
  readonly outputs: AsyncQueue<BuildMessage>;
  readonly update: (change: { stepsTotal?: number; stepsCached?: number; imageId?: string }) => void;
}

async function buildAndExport(
  builds: BuildService,
  { prepared, output }: OwnBuild,
  { session, signal, events, outputs, update }: OwnCall,
): Promise<void> {
  const { request, dockerfile, context } = prepared;
  const plan = await builds.plan(
    dockerfile,
    {
      ...request,
      buildPlatform: hostPlatform(),
      context,
      namedContexts: new Map(),
      fileName: request.dockerfile,
    },
    { session, signal },
  );
  for (const warning of plan.warnings) events.push({ kind: 'warning', warning });
  const steps = new Map<string, boolean>();
  const result = await builds.solve(plan, {
    session,
    signal,
    onEvent: (event) => {
      if (event.kind === 'vertex') {
        steps.set(event.digest, event.cached);
        update({ stepsTotal: steps.size, stepsCached: [...steps.values()].filter(Boolean).length });
      }
      events.push(toMessage(event));
    },
  });
  await using _lease = result.lease;
  if (output === 'image') {
    const image = await builds.exportImage(plan, result, request.references);
    update({ imageId: image.id });
    events.push({ kind: 'image', id: image.id, names: request.references.map(formatFamiliar) });
    return;
  }
  events.end();
  for await (const chunk of archiveOf(builds, { plan, result, output, prepared, signal })) {
    signal.throwIfAborted();
    await outputs.pushWhenRoom({ kind: 'output', data: Buffer.from(chunk).toString('base64') });
  }
}

function archiveOf(
  builds: BuildService,
  {
    plan,
    result,
    output,
    prepared,
    signal,
  }: {
    plan: DockerfilePlan;
    result: BuildResult;
    output: OwnOutput;
    prepared: PreparedBuild;
    signal: AbortSignal;
  },
): AsyncIterable<Uint8Array> {
  const { references } = prepared.request;
  if (output === 'oci' || output === 'docker') {
    return builds.exportArchive(plan, result, { format: output, references });
  }
  return builds.exportTar(plan, result, signal);
}

/** The build checks alone. */
function check({ dockerfile, request, context }: PreparedBuild, say: (message: BuildMessage) => void): void {
  const parsed = parseDockerfile(dockerfile, { name: request.dockerfile });
  const { warnings, isError } = checkDockerfile(parsed, {
    buildArgs: request.buildArgs,
    imageEnv: () => undefined,
    ignorePatterns: context.kind === 'local' ? context.excludes : [],
  });
  for (const warning of warnings) say({ kind: 'warning', warning });
  if (isError)
    throw new SlipwayError(
      'FailedPrecondition',
      'lint violation found for rules, and check=error=true is set',
    );
}

const EXIT_CODE = /did not complete successfully: exit code: (\d+)/;

function toError(error: unknown): BuildMessage {
  const message = errorMessage(error);
  const code = EXIT_CODE.exec(message)?.[1];
  const excerpt = error instanceof DockerfileError && error.excerpt !== '' ? `${error.excerpt}\n` : '';
  return {
    kind: 'error',
    message: `${excerpt}${message}`,
    exitCode: code === undefined ? undefined : Number(code),
    failedStep: error instanceof FailedStepError ? error.stepId : undefined,
  };
}
