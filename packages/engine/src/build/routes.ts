import { jsonLine } from '@slipway/api';
import { formatTimeNs, SlipwayError } from '@slipway/base';
import type { CacheRecord } from '@slipway/build';
import { parseDurationNs } from '@slipway/dockerfile';
import {
  empty,
  type Handler,
  hijack,
  json,
  progress,
  queryFilters,
  queryFlag,
  queryInteger,
  queryList,
  queryText,
  type Reply,
  type Route,
  type RouteRequest,
  readJson,
  stream,
} from '@slipway/http';
import { progressOf } from '../images/index.ts';
import { parseRegistryConfig } from '../transfer/index.ts';
import { parseAttestations } from './attest/request.ts';
import { type CacheEntry, type CacheTarget, parseCacheTarget, parseCacheText } from './cache/entries.ts';
import { prepareClassicBuild, runClassicBuild } from './classic/build.ts';
import type { PreparedBuild } from './classic/prepared.ts';
import { errorMessageOf } from './classic/progress.ts';
import { readClassicRequest } from './classic/request.ts';
import { debugRoutes } from './debug-routes.ts';
import { type OwnOutput, runOwnBuild } from './own/build.ts';
import { ownBuildSchema, prepareOwnBuild } from './own/prepare.ts';
import { readSecrets } from './own/secrets.ts';
import { OwnSession } from './own/session.ts';
import type { BuildService } from './service.ts';

/** What has its address here and its handler elsewhere. */
export interface OtherBuilders {
  /** `POST /build?version=2`: BuildKit's, whose client has a session. */
  readonly buildkit?: Handler | undefined;
}

/** The Docker Engine API's build endpoints, and Slipway's history. */
export function buildRoutes(builds: BuildService, { buildkit }: OtherBuilders = {}): Route[] {
  const sessions = new Map<string, OwnSession>();
  return [
    {
      method: 'POST',
      path: '/build',
      handler: (request) =>
        request.query.get('version') === '2' && buildkit !== undefined
          ? buildkit(request)
          : build(builds, request),
    },
    { method: 'POST', path: '/build/prune', handler: (request) => prune(builds, request) },
    { method: 'POST', path: '/build/cancel', handler: (request) => cancel(builds, request) },
    {
      method: 'POST',
      path: '/slipway/build',
      handler: (request) => ownBuild(builds, sessions, request),
    },
    {
      method: 'POST',
      path: '/slipway/build-sessions/:id',
      handler: (request) => ownSession(sessions, request),
    },
    { method: 'GET', path: '/slipway/builds', handler: () => json(200, builds.history()) },
    ...debugRoutes(builds.solver),
  ];
}

async function build(builds: BuildService, request: RouteRequest): Promise<Reply> {
  const { query, body, headers, signal } = request;
  if (query.get('version') === '2') {
    throw new SlipwayError('NotImplemented', 'version=2 builds are not served here: set DOCKER_BUILDKIT=0');
  }
  const asked = readClassicRequest(query);
  const credentials = parseRegistryConfig(headers['x-registry-config']);
  const prepared = await prepareClassicBuild(builds, asked, { body, credentials, signal });
  return progress(messages(builds, prepared, signal));
}

const DOCKERFILE_MAX_BYTES = 32 << 20;

const OUTPUTS: readonly OwnOutput[] = ['image', 'tar', 'oci', 'docker', 'check'];

/** Slipway's own: the connection of a client that builds, over which it is asked for files and agents. */
function ownSession(sessions: Map<string, OwnSession>, { params, query }: RouteRequest): Reply {
  const id = params['id'] ?? '';
  if (sessions.has(id)) throw new SlipwayError('Conflict', `there is a build session ${id} already`);
  const traits = { contextKey: queryText(query, 'context'), sshIds: queryList(query, 'ssh') };
  return hijack('application/vnd.slipway.build-session', async (connection) => {
    const session = new OwnSession(traits, connection);
    sessions.set(id, session);
    try {
      await session.serve();
    } finally {
      sessions.delete(id);
    }
  });
}

/**
 * Slipway's own: parameters as those of `/build`, every step told as it goes. The body is the context, or, of a client with a
 * session that has the context as a folder, the Dockerfile.
 */
async function ownBuild(
  builds: BuildService,
  sessions: ReadonlyMap<string, OwnSession>,
  request: RouteRequest,
): Promise<Reply> {
  const { query, body, headers, signal } = request;
  const output = (queryText(query, 'output') ?? 'image') as OwnOutput;
  if (!OUTPUTS.includes(output)) {
    throw new SlipwayError('InvalidArgument', `unknown output "${output}": use ${OUTPUTS.join(', ')}`);
  }
  const asked = readClassicRequest(query);
  const cacheTo = queryList(query, 'cacheto').map(parseCacheText).map(parseOwnTarget);
  const attestations = parseAttestations(
    Object.fromEntries(
      ['provenance', 'sbom'].flatMap((kind) => {
        const value = queryText(query, kind);
        return value === undefined ? [] : [[`attest:${kind}`, value === 'true' ? '' : value]];
      }),
    ),
  );
  const credentials = parseRegistryConfig(headers['x-registry-config']);
  const secrets = readSecrets(headers['x-slipway-build-secrets']);
  const sessionId = queryText(query, 'session');
  const session = sessionId === undefined ? undefined : sessions.get(sessionId);
  if (sessionId !== undefined && session === undefined) {
    throw new SlipwayError('NotFound', `no build session ${sessionId}: its client has gone`);
  }
  const sshAgent = session && ((id: string) => session.sshAgent(id));
  const prepared =
    session !== undefined && headers['content-type'] === 'application/json'
      ? prepareOwnBuild(
          asked,
          await readJson(request, ownBuildSchema, { maxBytes: DOCKERFILE_MAX_BYTES }),
          session.toBuildSession(credentials, secrets),
        )
      : await prepareClassicBuild(builds, asked, { body, credentials, secrets, sshAgent, signal });
  const lines = async function* () {
    for await (const message of runOwnBuild(builds, { prepared, output, cacheTo, attestations }, signal))
      yield jsonLine(message);
  };
  return stream(200, 'application/json', lines());
}

/** @throws NotImplemented for a folder: this client has no session over which it could be written */
function parseOwnTarget(entry: CacheEntry): CacheTarget {
  const target = parseCacheTarget(entry);
  if (target.type !== 'local') return target;
  throw new SlipwayError(
    'NotImplemented',
    '--cache-to type=local is not written by slipway build: use type=registry or inline, or docker buildx build',
  );
}

async function* messages(builds: BuildService, prepared: PreparedBuild, outer: AbortSignal) {
  await using _context = prepared;
  yield* progressOf(async (report, signal) => {
    try {
      await runClassicBuild(builds, prepared, { report, signal });
    } catch (error) {
      report(errorMessageOf(error));
    }
  }, outer);
}

function cancel(builds: BuildService, { query }: RouteRequest): Reply {
  const id = queryText(query, 'id');
  if (id === undefined) throw new SlipwayError('InvalidArgument', 'build ID not provided');
  builds.cancel(id);
  return empty(204);
}

async function prune(builds: BuildService, { query }: RouteRequest): Promise<Reply> {
  const filters = queryFilters(query);
  const unused = filters.get('unused-for')?.[0] ?? filters.get('until')?.[0];
  const keepBytes =
    queryInteger(query, 'keep-storage') ??
    queryInteger(query, 'reserved-space') ??
    queryInteger(query, 'max-used-space');
  const ids = filters.get('id');
  const { removed, freedBytes } = await builds.prune({
    all: queryFlag(query, 'all'),
    ...(unused === undefined ? {} : { unusedForMs: readDurationMs(unused) }),
    ...(keepBytes ? { keepBytes } : {}),
    ...(ids === undefined ? {} : { ids }),
  });
  return json(200, {
    CachesDeleted: removed.length === 0 ? null : removed.map(({ id }) => id),
    SpaceReclaimed: freedBytes,
  });
}

function readDurationMs(text: string): number {
  const nanos = parseDurationNs(text);
  if (nanos !== undefined) return nanos / 1e6;
  throw new SlipwayError('InvalidArgument', `invalid duration "${text}": write it as 24h or 90m`);
}

/** One entry of `BuildCache` in `/system/df`. */
export const toBuildCache = (record: CacheRecord) => ({
  ID: record.id,
  ...(record.parents.length === 0 ? {} : { Parents: record.parents }),
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.sizeBytes,
  CreatedAt: formatTimeNs(BigInt(Math.round(record.createdAtMs)) * 1_000_000n),
  LastUsedAt:
    record.lastUsedAtMs === undefined
      ? null
      : formatTimeNs(BigInt(Math.round(record.lastUsedAtMs)) * 1_000_000n),
  UsageCount: record.usageCount,
});
