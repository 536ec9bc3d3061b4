import { errorMessage, isSlipwayError } from '@slipway/base';
import {
  type BuildEvent,
  type BuildSession,
  ContextSources,
  type DockerfilePlan,
  planDockerfile,
  vertexDigest,
} from '@slipway/build';
import { parseDockerfile } from '@slipway/dockerfile';
import {
  type Digest,
  formatPlatform,
  formatReference,
  type Platform,
  parseReference,
  withDefaultTag,
} from '@slipway/oci';
import type { BuildFacts } from '../attest/provenance.ts';
import { hasInlineArgument } from '../cache/entries.ts';
import { openCaches } from './caches.ts';
import type { BuildKitContext } from './context.ts';
import { type Source, StepError } from './errors.ts';
import type { FrontendOptions } from './frontend-options.ts';
import type { BuiltRef, Job } from './job.ts';
import { type Asking, loadDockerfile, withVertex } from './load-dockerfile.ts';
import { answerRequest } from './requests.ts';
import type { ClientSession } from './session.ts';

/** What the frontend answers: what was built, by platform, or the answer to a question. */
export interface FrontendResult {
  /** The key is the platform's name; '' when one platform was asked for and no index is wanted. */
  readonly refs: ReadonlyMap<string, BuiltRef>;
  readonly metadata: Readonly<Record<string, Buffer>>;
}

/** The Dockerfile frontend: builds what a client describes with the options of `dockerfile.v0`. */
export async function runFrontend(
  context: BuildKitContext,
  job: Job,
  session: ClientSession,
  options: FrontendOptions,
): Promise<FrontendResult> {
  const { signal, emit } = job;
  const asking: Asking = { session, emit, signal };
  await using loaded = await loadDockerfile(context, options, asking);
  const { text, digest } = loaded;
  const dockerfile = parseDockerfile(text, { name: options.filename });
  if (options.request !== undefined) {
    return { refs: new Map(), metadata: answerRequest(options.request, dockerfile) };
  }
  const platforms = options.platforms.length === 0 ? [context.platform] : options.platforms;
  const contexts = new ContextSources(context.platform);
  const resolveImage = imageResolver(context, options, asking);
  const plans = await Promise.all(
    platforms.map((platform) =>
      planDockerfile(
        dockerfile,
        {
          ...options,
          platform,
          buildPlatform: context.platform,
          context: loaded.context,
          showsPlatform: platforms.length > 1,
        },
        { resolveImage, contexts },
      ),
    ),
  );
  for (const warning of plans[0]?.warnings ?? []) {
    job.emit({ kind: 'warning', digest, warning, fileName: options.filename, text });
  }
  const file = { name: options.filename, text };
  const refs = await solve(context, job, loaded.session, { plans, file, options });
  return platforms.length === 1 && !options.isPartOfIndex ? single(refs[0] as BuiltRef) : named(refs);
}

const single = (ref: BuiltRef): FrontendResult => ({
  refs: new Map([['', ref]]),
  metadata: { 'containerimage.config': Buffer.from(JSON.stringify(ref.plan.config)) },
});

/** @see https://github.com/moby/buildkit/blob/master/exporter/containerimage/exptypes/types.go */
function named(refs: readonly BuiltRef[]): FrontendResult {
  const byName = new Map(refs.map((ref) => [formatPlatform(ref.plan.platform), ref]));
  const Platforms = refs.map(({ plan: { platform } }) => ({
    ID: formatPlatform(platform),
    Platform: platform,
  }));
  return {
    refs: byName,
    metadata: {
      'refs.platforms': Buffer.from(JSON.stringify({ Platforms })),
      ...Object.fromEntries(
        [...byName].map(([name, { plan }]) => [
          `containerimage.config/${name}`,
          Buffer.from(JSON.stringify(plan.config)),
        ]),
      ),
    },
  };
}

interface Solving {
  readonly plans: readonly DockerfilePlan[];
  readonly file: Source['file'];
  readonly options: FrontendOptions;
}

async function solve(
  context: BuildKitContext,
  job: Job,
  session: BuildSession,
  { plans, file, options }: Solving,
): Promise<BuiltRef[]> {
  const { builds, clock } = context;
  const startedAtMs = clock.nowMs();
  const failed = new Map<string, Digest>();
  const onEvent = (event: BuildEvent) => {
    job.emit(event);
    if (event.kind === 'vertex' && event.error !== undefined) failed.set(event.error, event.digest);
  };
  const cacheImports = await openCaches(context, job);
  const results = await builds
    .solveAll(plans, { session, signal: job.signal, onEvent, cacheImports })
    .catch((error) => {
      throw located(error, { plans, file }, failed.get(errorMessage(error)));
    });
  const isInline =
    job.caches.targets.some(({ type }) => type === 'inline') || hasInlineArgument(options.buildArgs);
  const facts: BuildFacts = {
    name: options.filename,
    invocationId: job.name,
    startedAtMs,
    args: options.given,
    dockerfile: file,
    remoteContext: options.remoteContext,
    buildPlatform: context.platform,
  };
  return await Promise.all(
    results.map(async (result, place) => {
      const ref: BuiltRef = {
        id: builds.random.hex(25),
        place,
        plan: plans[place] as DockerfilePlan,
        result,
        inlineCache: isInline ? await builds.inlineCacheOf(result) : undefined,
        isPartOfIndex: options.isPartOfIndex,
        attestations: options.attestations,
        facts,
      };
      job.keep(ref);
      return ref;
    }),
  );
}

/** The error with the place of the step that it came from, where that is known. */
function located(
  error: unknown,
  { plans, file }: Pick<Solving, 'plans' | 'file'>,
  digest: Digest | undefined,
): unknown {
  if (digest === undefined || !isSlipwayError(error)) return error;
  const steps = plans.flatMap(({ stages }) => stages.flatMap(({ steps: some }) => some));
  const step = steps.find(({ vertex }) => vertex !== undefined && vertexDigest(vertex) === digest);
  return step === undefined ? error : new StepError(error, { file, ranges: [step.range] });
}

/** Asks for each image once in a build, and shows that it is asked for. */
function imageResolver(context: BuildKitContext, { pull }: FrontendOptions, asking: Asking) {
  const asked = new Map<string, ReturnType<BuildKitContext['builds']['resolveImage']>>();
  return (reference: string, platform: Platform) => {
    const key = `${reference} ${formatPlatform(platform)}`;
    const known = asked.get(key);
    if (known !== undefined) return known;
    const { session, signal } = asking;
    const title = `[internal] load metadata for ${formatReference(withDefaultTag(parseReference(reference)))}`;
    const found = withVertex(context, asking, { title }, () =>
      context.builds.resolveImage(reference, { platform, pull, session, signal }),
    );
    asked.set(key, found);
    return found;
  };
}
