import { join } from 'node:path';
import type { ProgressMessage } from '@slipway/api/docker';
import { hostPath, SlipwayError } from '@slipway/base';
import { type BuildEvent, type CacheImport, isHttpUrl, parseGitSource } from '@slipway/build';
import type { Credentials } from '@slipway/distribution/client';
import { parseDockerfile } from '@slipway/dockerfile';
import { formatFamiliar, hostPlatform } from '@slipway/oci';
import type { Report } from '../../images/index.ts';
import { hasInlineArgument, parseCacheSource } from '../cache/entries.ts';
import type { OwnSession } from '../own/session.ts';
import type { BuildService } from '../service.ts';
import { type ClassicContext, openContext } from './context.ts';
import type { PreparedBuild } from './prepared.ts';
import { ClassicProgress } from './progress.ts';
import { openRemote } from './remote.ts';
import type { ClassicRequest } from './request.ts';
import { classicSession } from './session.ts';

/**
 * Takes the context in, and reads the Dockerfile: what is wrong with them is answered with a status.
 * @throws InvalidArgument
 */
export async function prepareClassicBuild(
  builds: BuildService,
  request: ClassicRequest,
  {
    body,
    credentials,
    secrets = new Map(),
    sshAgent,
    signal,
  }: {
    body: AsyncIterable<Uint8Array>;
    credentials: (domain: string) => Credentials | undefined;
    secrets?: ReadonlyMap<string, Buffer>;
    sshAgent?: OwnSession['sshAgent'] | undefined;
    signal: AbortSignal;
  },
): Promise<PreparedBuild> {
  const { remote, dockerfile: dockerfilePath } = request;
  const root = hostPath(join(builds.scratchRoot, `context-${builds.random.hex(8)}`));
  const options = { root, dockerfilePath, signal };
  if (remote !== undefined && parseGitSource(remote) !== undefined) {
    const session = classicSession(undefined, credentials, secrets, sshAgent);
    return await openRemote(builds, { request, url: remote, session, signal });
  }
  const archive = remote === undefined ? body : download(remote, signal);
  const context = await openContext(archive, options);
  const session = classicSession(context, credentials, secrets, sshAgent);
  return await checked({ request, dockerfile: context.dockerfile, session }, context);
}

/** Refuses a Dockerfile that cannot be read before anything of the answer is sent. */
async function checked(
  build: Pick<PreparedBuild, 'request' | 'dockerfile' | 'session'>,
  context: ClassicContext,
): Promise<PreparedBuild> {
  try {
    parseDockerfile(build.dockerfile, { name: build.request.dockerfile });
  } catch (error) {
    await context[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...build,
    context: { kind: 'local', name: 'context', excludes: context.excludes },
    [Symbol.asyncDispose]: () => context[Symbol.asyncDispose](),
  };
}

async function* download(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (!isHttpUrl(url)) {
    throw new SlipwayError(
      'InvalidArgument',
      `remote "${url}" is neither a git repository nor a web address`,
    );
  }
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) {
    throw new SlipwayError(
      'InvalidArgument',
      `cannot download context ${url}: ${response.status} ${response.statusText}`,
    );
  }
  yield* response.body;
}

/** Builds, and tells of it in docker's classic words. @throws what `classicError` puts into docker's words */
export async function runClassicBuild(
  builds: BuildService,
  prepared: PreparedBuild,
  { report, signal: outer }: { report: Report; signal: AbortSignal },
): Promise<void> {
  const { request, session } = prepared;
  const name = request.references[0] === undefined ? 'build' : formatFamiliar(request.references[0]);
  const say = (message: ProgressMessage) => {
    if (!request.quiet) report(message);
  };
  await builds.run({ name, id: request.buildId }, outer, async (signal, build) => {
    const [platform, ...others] = request.platforms;
    if (others.length > 0) {
      throw new SlipwayError(
        'NotImplemented',
        'the classic builder builds for one platform: use docker buildx build or slipway build for several',
      );
    }
    const plan = await builds.plan(
      prepared.dockerfile,
      {
        ...request,
        platform,
        buildPlatform: hostPlatform(),
        context: prepared.context,
        namedContexts: new Map(),
        fileName: request.dockerfile,
      },
      { session, signal },
    );
    const progress = new ClassicProgress(plan, say);
    const countSteps = () => {
      const { total, cached } = progress.counts;
      build.update({ stepsTotal: total, stepsCached: cached });
    };
    const cacheImports = await findCaches(builds, prepared, signal);
    const onEvent = (event: BuildEvent) => progress.take(event);
    const solving = builds.solve(plan, { session, signal, onEvent, cacheImports });
    solving.catch(() => {
      progress.flush();
      countSteps();
    });
    const result = await solving;
    await using _lease = result.lease;
    const inlineCache = hasInlineArgument(request.buildArgs) ? await builds.inlineCacheOf(result) : undefined;
    const built = { plan, result, inlineCache, statements: [] };
    const { image } = await builds.exportImages([built], request.references);
    progress.finish(image.id);
    countSteps();
    build.update({ imageId: image.id });
    if (plan.unusedArgs.length > 0) {
      say({ stream: `[Warning] One or more build-args [${plan.unusedArgs.join(' ')}] were not consumed\n` });
    }
    report({ aux: { ID: image.id } });
    if (request.quiet) {
      report({ stream: `${image.id}\n` });
      return;
    }
    say({ stream: `Successfully built ${image.id.slice('sha256:'.length, 'sha256:'.length + 12)}\n` });
    for (const reference of request.references) {
      say({ stream: `Successfully tagged ${formatFamiliar(reference)}\n` });
    }
  });
}

/** What is known of the images that `--cache-from` names; one that has no cache, or is not there, is none. */
export async function findCaches(
  builds: BuildService,
  { request, session }: Pick<PreparedBuild, 'request' | 'session'>,
  signal: AbortSignal,
): Promise<readonly CacheImport[]> {
  const sources = request.cacheFrom.map(parseCacheSource);
  const found = await Promise.all(
    sources.map(async (source) => {
      try {
        return await builds.importCache(source, { session, clientFolder: undefined, signal });
      } catch (error) {
        signal.throwIfAborted();
        if (source.type === 'local') throw error;
        return [];
      }
    }),
  );
  return found.flat();
}
