import { SlipwayError } from '@slipway/base';
import { type DockerfilePlan, planDockerfile } from '@slipway/build';
import { parseDockerfile } from '@slipway/dockerfile';
import { formatPlatform, type Platform } from '@slipway/oci';
import type { BuildKitContext } from './context.ts';
import { type FrontendOptions, parseFrontendOptions } from './frontend-options.ts';
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
  given: Readonly<Record<string, string>>,
): Promise<FrontendResult> {
  const options = parseFrontendOptions(given);
  const { signal, emit } = job;
  const asking: Asking = { session, emit, signal };
  const { text, context: source, digest } = await loadDockerfile(context, options, asking);
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
    { ...options, platform, buildPlatform: context.platform, context: source },
    { resolveImage: imageResolver(context, options, asking) },
  );
  for (const warning of plan.warnings) {
    job.emit({ kind: 'warning', digest, warning, fileName: options.filename, text });
  }
  return await solve(context, job, session, plan);
}

async function solve(
  { builds }: BuildKitContext,
  job: Job,
  session: ClientSession,
  plan: DockerfilePlan,
): Promise<FrontendResult> {
  const result = await builds.solve(plan, { session, signal: job.signal, onEvent: job.emit });
  const ref: BuiltRef = { id: builds.random.hex(25), plan, result };
  job.keep(ref);
  return {
    refs: new Map([['', ref]]),
    metadata: { 'containerimage.config': Buffer.from(JSON.stringify(plan.config)) },
  };
}

/** Asks for each image once in a build, and shows that it is asked for. */
function imageResolver(context: BuildKitContext, { pull }: FrontendOptions, asking: Asking) {
  const asked = new Map<string, ReturnType<BuildKitContext['host']['resolveImage']>>();
  return (reference: string, platform: Platform) => {
    const key = `${reference} ${formatPlatform(platform)}`;
    const known = asked.get(key);
    if (known !== undefined) return known;
    const { session, signal } = asking;
    const title = `[internal] load metadata for ${reference}`;
    const found = withVertex(context, asking, { title }, () =>
      context.host.resolveImage(reference, { platform, pull, session, signal }),
    );
    asked.set(key, found);
    return found;
  };
}
