import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import {
  type BuildEvent,
  type BuildSession,
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
  if (platforms.length > 1) {
    throw new SlipwayError(
      'NotImplemented',
      `several platforms in one build are not supported yet: build ${platforms.map(formatPlatform).join(' and ')} one after the other`,
    );
  }
  const [platform] = platforms as [Platform];
  const plan = await planDockerfile(
    dockerfile,
    { ...options, platform, buildPlatform: context.platform, context: loaded.context },
    { resolveImage: imageResolver(context, options, asking) },
  );
  for (const warning of plan.warnings) {
    job.emit({ kind: 'warning', digest, warning, fileName: options.filename, text });
  }
  return await solve(context, job, loaded.session, { plan, file: { name: options.filename, text } });
}

async function solve(
  { builds }: BuildKitContext,
  job: Job,
  session: BuildSession,
  { plan, file }: { readonly plan: DockerfilePlan; readonly file: Source['file'] },
): Promise<FrontendResult> {
  const failed = new Map<string, Digest>();
  const onEvent = (event: BuildEvent) => {
    job.emit(event);
    if (event.kind === 'vertex' && event.error !== undefined) failed.set(event.error, event.digest);
  };
  const result = await builds.solve(plan, { session, signal: job.signal, onEvent }).catch((error) => {
    throw located(error, { plan, file }, failed.get(errorMessage(error)));
  });
  const ref: BuiltRef = { id: builds.random.hex(25), plan, result };
  job.keep(ref);
  return {
    refs: new Map([['', ref]]),
    metadata: { 'containerimage.config': Buffer.from(JSON.stringify(plan.config)) },
  };
}

/** The error with the place of the step that it came from, where that is known. */
function located(
  error: unknown,
  { plan: { stages }, file }: { plan: DockerfilePlan; file: Source['file'] },
  digest: Digest | undefined,
): unknown {
  if (digest === undefined || !isSlipwayError(error)) return error;
  const steps = stages.flatMap(({ steps: some }) => some);
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
