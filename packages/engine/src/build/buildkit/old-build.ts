import { errorProgress, type ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import { empty, progress, queryText, type Reply, type RouteRequest } from '@slipway/http';
import { formatFamiliar } from '@slipway/oci';
import { NO_ATTESTATIONS } from '../attest/request.ts';
import { parseCacheSource } from '../cache/entries.ts';
import type { ClassicRequest } from '../classic/request.ts';
import { readClassicRequest } from '../classic/request.ts';
import type { BuildKitContext } from './context.ts';
import { type Exporter, runExporter } from './exporters.ts';
import { runFrontend } from './frontend.ts';
import type { FrontendOptions } from './frontend-options.ts';
import type { Job, JobCaches } from './job.ts';
import { messageType } from './messages.ts';
import { statusOf } from './status.ts';
import type { Uploads } from './uploads.ts';

/** The context comes with the session. */
const FROM_SESSION = 'client-session';
/** The context comes with a request of its own, whose build's id is this and the real one's. */
const FROM_UPLOAD = 'upload-request';

/**
 * `POST /build?version=2`: how docker's CLI before buildx asks for a build. Its files come over a session as today's; the
 * progress goes with the answer, as BuildKit's messages in JSON lines.
 * @see https://docs.docker.com/reference/api/engine/version/v1.40/#tag/Image/operation/ImageBuild
 */
export async function oldBuild(
  context: BuildKitContext,
  uploads: Uploads,
  request: RouteRequest,
): Promise<Reply> {
  const { query, signal } = request;
  const id = queryText(query, 'buildid') ?? context.builds.random.hex(16);
  if (id.startsWith(`${FROM_UPLOAD}:`)) {
    await uploads.offer(id.slice(FROM_UPLOAD.length + 1), request.body, signal);
    return empty(200);
  }
  const sessionId = queryText(query, 'session');
  if (sessionId === undefined)
    throw new SlipwayError('InvalidArgument', 'a build of version 2 needs a session');
  const asked = readClassicRequest(query);
  const upload = asked.remote === FROM_UPLOAD ? uploads.take(id, signal) : undefined;
  const build = {
    id,
    sessionId,
    options: toFrontendOptions(asked, upload),
    exporters: exportersOf(query, asked),
    caches: { sources: asked.cacheFrom.map(parseCacheSource), targets: [] },
  };
  return progress(run(context, build, signal));
}

function toFrontendOptions(
  asked: ClassicRequest,
  upload: AsyncIterable<Uint8Array> | undefined,
): FrontendOptions {
  const { remote } = asked;
  return {
    ...asked,
    filename: asked.dockerfile,
    dockerfileName: 'dockerfile',
    contextName: 'context',
    remoteContext: remote === FROM_SESSION || remote === FROM_UPLOAD ? undefined : remote,
    upload,
    hasOwnDockerfile: false,
    platforms: asked.platforms,
    namedContexts: new Map(),
    hostname: undefined,
    isPartOfIndex: false,
    attestations: NO_ATTESTATIONS,
    given: {},
    request: undefined,
  };
}

/** An image unless something else is asked for. */
function exportersOf(query: URLSearchParams, { references }: ClassicRequest): Exporter[] {
  const text = queryText(query, 'outputs');
  const outputs =
    text === undefined
      ? []
      : (JSON.parse(text) as { Type: string; Attrs: Record<string, string> | null }[] | null);
  if (outputs !== null && outputs.length > 0) {
    return outputs.map(({ Type, Attrs }) => ({ type: Type, attrs: Attrs ?? {} }));
  }
  return [{ type: 'moby', attrs: { name: references.map(formatFamiliar).join(',') } }];
}

interface OldBuild {
  readonly id: string;
  readonly sessionId: string;
  readonly options: FrontendOptions;
  readonly exporters: readonly Exporter[];
  readonly caches: JobCaches;
}

/** Runs the build and tells of it until both are done; a client that goes cancels it. */
async function* run(
  context: BuildKitContext,
  build: OldBuild,
  gone: AbortSignal,
): AsyncGenerator<ProgressMessage> {
  const left = new AbortController();
  const outer = AbortSignal.any([gone, left.signal]);
  const opened = Promise.withResolvers<Job>();
  const name = build.exporters[0]?.attrs.name || build.options.filename;
  const work = context.builds.run({ id: build.id, name }, outer, async (signal) => {
    await using job = context.jobs.open(build.id, build.sessionId, signal);
    job.caches = build.caches;
    opened.resolve(job);
    return await buildAndExport(context, job, build);
  });
  work.catch(opened.reject);
  try {
    const job = await opened.promise;
    const trace = messageType('StatusResponse');
    for await (const events of job.events()) {
      const aux = trace.encode(statusOf(events, context.clock.nowMs())).toString('base64');
      yield { id: 'moby.buildkit.trace', aux };
    }
    const imageId = await work;
    if (imageId !== undefined) yield { id: 'moby.image.id', aux: { ID: imageId } };
  } catch (error) {
    yield errorProgress(error);
  } finally {
    left.abort(new SlipwayError('Canceled', 'the client of the build went'));
    await work.catch(() => {});
  }
}

async function buildAndExport(
  context: BuildKitContext,
  job: Job,
  { options, exporters }: OldBuild,
): Promise<string | undefined> {
  const session = await context.sessions.get(job.sessionId, job);
  const refs = [...(await runFrontend(context, job, session, options)).refs.values()];
  let imageId: string | undefined;
  for (const [index, exporter] of exporters.entries()) {
    const told = await runExporter({ context, job, session, refs, exporter, index });
    imageId ??= told['containerimage.config.digest'];
  }
  return imageId;
}
