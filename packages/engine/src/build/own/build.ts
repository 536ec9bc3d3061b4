import { AsyncQueue, errorMessage, SlipwayError } from '@slipway/base';
import {
  type BuildResult,
  type BuildSession,
  ContextSources,
  type DockerfilePlan,
  FailedStepError,
} from '@slipway/build';
import { checkDockerfile, DockerfileError, parseDockerfile } from '@slipway/dockerfile';
import { formatFamiliar, hostPlatform } from '@slipway/oci';
import type { BuildFacts } from '../attest/provenance.ts';
import type { AttestationRequest } from '../attest/request.ts';
import { type CacheTarget, hasInlineArgument } from '../cache/entries.ts';
import { findCaches } from '../classic/build.ts';
import type { PreparedBuild } from '../classic/prepared.ts';
import type { BuiltImage } from '../export/export-image.ts';
import type { BuildService } from '../service.ts';
import { type BuildMessage, toMessage } from './messages.ts';

/** What becomes of the build: an image of the engine, or an archive for the client. */
export type OwnOutput = 'image' | 'tar' | 'oci' | 'docker' | 'check';

export interface OwnBuild {
  readonly prepared: PreparedBuild;
  readonly output: OwnOutput;
  readonly cacheTo: readonly CacheTarget[];
  readonly attestations: AttestationRequest;
}

/** More events than a reader on this machine can fall behind; one that does is cut off. */
const EVENT_BACKLOG = 200_000;
/** Pieces of an archive that may wait. */
const OUTPUT_BACKLOG = 16;

/** Builds and tells of every step as it goes. It stops when nobody reads any more. */
export async function* runOwnBuild(
  builds: BuildService,
  build: OwnBuild,
  outer: AbortSignal,
): AsyncGenerator<BuildMessage> {
  const { prepared, output } = build;
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
      : builds.run({ name, id: request.buildId }, signal, (stop, record) =>
          buildAndExport(builds, build, { session, signal: stop, events, outputs, ...record }),
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
  { prepared, output, cacheTo, attestations }: OwnBuild,
  { session, signal, events, outputs, update }: OwnCall,
): Promise<void> {
  const { request } = prepared;
  const startedAtMs = builds.clock.nowMs();
  const plans = await planAll(builds, prepared, signal);
  for (const warning of plans[0]?.warnings ?? []) events.push({ kind: 'warning', warning });
  const steps = new Map<string, boolean>();
  const cacheImports = await findCaches(builds, prepared, signal);
  const results = await builds.solveAll(plans, {
    session,
    signal,
    cacheImports,
    onEvent: (event) => {
      if (event.kind === 'vertex') {
        steps.set(event.digest, event.cached);
        update({ stepsTotal: steps.size, stepsCached: [...steps.values()].filter(Boolean).length });
      }
      events.push(toMessage(event));
    },
  });
  await using _lease = results[0]?.lease;
  const images: BuiltImage[] = [];
  const isInline = cacheTo.some(({ type }) => type === 'inline') || hasInlineArgument(request.buildArgs);
  for (const [index, result] of results.entries()) {
    const inlineCache = isInline ? await builds.inlineCacheOf(result) : undefined;
    const built = { plan: plans[index] as DockerfilePlan, result, inlineCache };
    const facts = factsOf(prepared, startedAtMs);
    images.push({ ...built, statements: await builds.attest(built, attestations, { facts, signal }) });
  }
  if (output === 'image') {
    const { image } = await builds.exportImages(images, request.references);
    update({ imageId: image.id });
    await writeCaches(builds, results, cacheTo, { session, signal });
    events.push({ kind: 'image', id: image.id, names: request.references.map(formatFamiliar) });
    return;
  }
  await writeCaches(builds, results, cacheTo, { session, signal });
  events.end();
  for await (const chunk of archiveOf(builds, { images, output, prepared, signal })) {
    signal.throwIfAborted();
    await outputs.pushWhenRoom({ kind: 'output', data: Buffer.from(chunk).toString('base64') });
  }
}

/** A plan for each platform; what they take of the client is asked for once. */
async function planAll(
  builds: BuildService,
  { request, dockerfile, context, session }: PreparedBuild,
  signal: AbortSignal,
): Promise<DockerfilePlan[]> {
  const contexts = new ContextSources(hostPlatform());
  return await Promise.all(
    request.platforms.map((platform) =>
      builds.plan(
        dockerfile,
        {
          ...request,
          platform,
          showsPlatform: request.platforms.length > 1,
          buildPlatform: hostPlatform(),
          context,
          namedContexts: new Map(),
          fileName: request.dockerfile,
        },
        { session, signal, contexts },
      ),
    ),
  );
}

const factsOf = ({ request, dockerfile }: PreparedBuild, startedAtMs: number): BuildFacts => ({
  name: request.references[0] === undefined ? request.dockerfile : formatFamiliar(request.references[0]),
  invocationId: request.buildId ?? '',
  startedAtMs,
  args: Object.fromEntries([
    ...[...request.buildArgs].map(([name, value]) => [`build-arg:${name}`, value]),
    ...[...request.labels].map(([name, value]) => [`label:${name}`, value]),
    ...(request.target === undefined ? [] : [['target', request.target]]),
  ]),
  dockerfile: { name: request.dockerfile, text: dockerfile },
  remoteContext: request.remote,
  buildPlatform: hostPlatform(),
});

async function writeCaches(
  builds: BuildService,
  results: readonly BuildResult[],
  targets: readonly CacheTarget[],
  call: { readonly session: BuildSession; readonly signal: AbortSignal },
): Promise<void> {
  for (const target of targets) {
    if (target.type !== 'registry') continue;
    try {
      await builds.pushCache(results, target, call);
    } catch (error) {
      call.signal.throwIfAborted();
      if (!target.ignoresErrors) throw error;
    }
  }
}

function archiveOf(
  builds: BuildService,
  {
    images,
    output,
    prepared,
    signal,
  }: {
    images: readonly BuiltImage[];
    output: OwnOutput;
    prepared: PreparedBuild;
    signal: AbortSignal;
  },
): AsyncIterable<Uint8Array> {
  const { references } = prepared.request;
  if (output === 'oci' || output === 'docker') {
    return builds.exportArchive(images, { format: output, references });
  }
  const [only, other] = images;
  if (only !== undefined && other === undefined) return builds.exportTar(only.plan, only.result, signal);
  throw new SlipwayError(
    'NotImplemented',
    'files and tar archives are of one platform: name one with --platform, or write type=oci',
  );
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
