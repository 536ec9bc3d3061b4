import { SlipwayError } from '@slipway/base';
import { type CacheRecord, emulatedPlatforms } from '@slipway/build';
import { type CacheEntry, parseCacheSource, parseCacheTarget } from '../cache/entries.ts';
import { writeCaches } from './caches.ts';
import type { BuildKitContext } from './context.ts';
import { type Exporter, type ExporterResponse, runExporter } from './exporters.ts';
import { runFrontend } from './frontend.ts';
import { parseFrontendOptions } from './frontend-options.ts';
import type { BuiltRef, Job, JobCaches, Returned } from './job.ts';
import { timestamp } from './messages.ts';
import { statusOf } from './status.ts';

interface SolveRequest {
  readonly Ref: string;
  readonly Session: string;
  readonly Frontend: string;
  readonly FrontendAttrs: Readonly<Record<string, string>>;
  readonly Exporter: string;
  readonly ExporterAttrs: Readonly<Record<string, string>>;
  readonly Exporters: readonly { readonly Type: string; readonly Attrs: Readonly<Record<string, string>> }[];
  readonly Internal: boolean;
  readonly Cache: { readonly Exports: readonly WireCache[]; readonly Imports: readonly WireCache[] } | null;
}

type WireCache = { readonly Type: string; readonly Attrs: Readonly<Record<string, string>> };

/**
 * One build from its beginning until what it made is exported. A client that drives the frontend itself (buildx) names none
 * here and returns the result with a call of its own.
 */
export async function solve(
  context: BuildKitContext,
  request: SolveRequest,
  signal: AbortSignal,
): Promise<{ ExporterResponse: ExporterResponse }> {
  const { Ref: id, Session: sessionId, Frontend: frontend } = request;
  const exporters = exportersOf(request);
  const work = async (
    stop: AbortSignal,
    build?: BuildUpdate,
  ): Promise<{ ExporterResponse: ExporterResponse }> => {
    // Opened before anything can be refused: the client's other calls wait for it.
    await using job = context.jobs.open(id, sessionId, stop);
    job.caches = cachesOf(request);
    using _count = { [Symbol.dispose]: () => tellSteps(job, build) };
    const returned = await (frontend === '' ? job.returned : runHere(context, job, request));
    const refs = [...returned.values()].sort((a, b) => a.place - b.place);
    const ExporterResponse: ExporterResponse = {};
    for (const [index, exporter] of exporters.entries()) {
      Object.assign(ExporterResponse, await exportAs(context, { job, refs, exporter, index }));
    }
    Object.assign(ExporterResponse, await writeCaches(context, job, refs));
    return { ExporterResponse };
  };
  // A client first opens a build without anything to make, to learn what the daemon can do.
  if (request.Internal || (frontend === '' && exporters.length === 0)) return await work(signal);
  return await context.builds.run({ id, name: nameOf(request, exporters) }, signal, work);
}

type BuildUpdate = Parameters<Parameters<BuildKitContext['builds']['run']>[2]>[1];

function tellSteps({ steps }: Job, build: BuildUpdate | undefined): void {
  build?.update({ stepsTotal: steps.total, stepsCached: steps.cached });
}

async function runHere(context: BuildKitContext, job: Job, request: SolveRequest): Promise<Returned> {
  if (request.Frontend !== 'dockerfile.v0') {
    throw new SlipwayError(
      'NotImplemented',
      `frontend ${request.Frontend} is not supported: use dockerfile.v0`,
    );
  }
  const session = await context.sessions.get(job.sessionId, job);
  return (await runFrontend(context, job, session, parseFrontendOptions(request.FrontendAttrs))).refs;
}

async function exportAs(
  context: BuildKitContext,
  { job, refs, exporter, index }: { job: Job; refs: readonly BuiltRef[]; exporter: Exporter; index: number },
): Promise<ExporterResponse> {
  if (refs.length === 0) return {};
  const session = await context.sessions.get(job.sessionId, job);
  return await runExporter({ context, job, session, refs, exporter, index });
}

function cachesOf({ Cache }: SolveRequest): JobCaches {
  const toEntry = ({ Type, Attrs }: WireCache): CacheEntry => ({ type: Type, attrs: Attrs });
  return {
    sources: (Cache?.Imports ?? []).map(toEntry).map(parseCacheSource),
    targets: (Cache?.Exports ?? []).map(toEntry).map(parseCacheTarget),
  };
}

/** Newer clients list them. */
function exportersOf(request: SolveRequest): Exporter[] {
  if (request.Exporters.length > 0) {
    return request.Exporters.map(({ Type, Attrs }) => ({ type: Type, attrs: Attrs }));
  }
  return request.Exporter === '' ? [] : [{ type: request.Exporter, attrs: request.ExporterAttrs }];
}

const nameOf = ({ FrontendAttrs }: SolveRequest, exporters: readonly Exporter[]): string =>
  exporters.find(({ attrs }) => attrs.name)?.attrs.name ?? FrontendAttrs.filename ?? 'Dockerfile';

/** What happens in a build, until it is done. */
export async function* status(
  { jobs, clock }: BuildKitContext,
  { Ref }: { readonly Ref: string },
): AsyncGenerator<object> {
  const job = await jobs.get(Ref);
  for await (const events of job.events()) yield statusOf(events, clock.nowMs());
}

/** The one builder that this daemon is. @see https://github.com/moby/buildkit/blob/master/api/types/worker.proto */
export const worker = ({ platform, workerId, version }: BuildKitContext): object => ({
  ID: workerId,
  Labels: {
    'org.mobyproject.buildkit.worker.executor': 'oci',
    'org.mobyproject.buildkit.worker.hostname': 'slipway',
    'org.mobyproject.buildkit.worker.network': 'cni',
    // What makes buildx offer archives as outputs and push what was built.
    'org.mobyproject.buildkit.worker.snapshotter': 'overlayfs',
  },
  platforms: [platform, ...emulatedPlatforms(platform)].map(({ os, architecture, variant }) => ({
    OS: os,
    Architecture: architecture,
    Variant: variant ?? '',
  })),
  BuildkitVersion: buildkitVersion(version),
});

export const buildkitVersion = (version: string): object => ({
  package: 'slipway',
  version: `v${version}`,
  revision: '',
});

export const toUsage = (record: CacheRecord): object => ({
  ID: record.id,
  Mutable: record.type === 'exec.cachemount' || record.type === 'source.local',
  InUse: record.inUse,
  Size: record.sizeBytes,
  CreatedAt: timestamp(record.createdAtMs),
  LastUsedAt: timestamp(record.lastUsedAtMs),
  UsageCount: record.usageCount,
  Description: record.description,
  RecordType: record.type,
  Shared: record.shared,
  Parents: record.parents,
});

interface PruneRequest {
  readonly filter: readonly string[];
  readonly all: boolean;
  /** In nanoseconds. */
  readonly keepDuration: number;
  readonly reservedSpace: number;
  readonly maxUsedSpace: number;
}

/** Removes from the build cache what nothing uses. @throws NotImplemented for a filter that is not by id */
export async function* prune({ builds }: BuildKitContext, request: PruneRequest): AsyncGenerator<object> {
  const ids = request.filter.filter((filter) => filter !== '').map(idFilter);
  const keepBytes = Math.max(request.reservedSpace, request.maxUsedSpace);
  const { removed } = await builds.prune({
    all: request.all,
    ...(request.keepDuration > 0 ? { unusedForMs: request.keepDuration / 1e6 } : {}),
    ...(keepBytes > 0 ? { keepBytes } : {}),
    ...(ids.length > 0 ? { ids } : {}),
  });
  for (const record of removed) yield toUsage(record);
}

function idFilter(filter: string): string {
  const id = /^id[=~]+"?([\w:]+)"?$/.exec(filter)?.[1];
  if (id !== undefined) return id;
  throw new SlipwayError('NotImplemented', `prune filter ${filter} is not supported: use id=…`);
}

/** What was built, newest first, as `buildx history` asks for it. Nobody is told of later builds. */
export async function* history(
  { builds }: BuildKitContext,
  { Ref, ActiveOnly, Limit }: { readonly Ref: string; readonly ActiveOnly: boolean; readonly Limit: number },
): AsyncGenerator<object> {
  const found = builds
    .history()
    .filter(({ id, status: state }) => (Ref === '' || id === Ref) && (!ActiveOnly || state === 'running'));
  for (const build of found.slice(0, Limit > 0 ? Limit : undefined)) {
    yield {
      type: build.completedAtMs === undefined ? 0 : 1,
      record: {
        Ref: build.id,
        Frontend: 'dockerfile.v0',
        FrontendAttrs: {},
        Exporters: [{ Type: 'image', Attrs: { name: build.name } }],
        CreatedAt: timestamp(build.startedAtMs),
        CompletedAt: timestamp(build.completedAtMs),
        ...(build.error === undefined ? {} : { error: { code: 2, message: build.error } }),
        numCachedSteps: build.stepsCached,
        numTotalSteps: build.stepsTotal,
        numCompletedSteps: build.stepsTotal,
      },
    };
  }
}
