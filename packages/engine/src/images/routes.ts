import type { ImagePruneReply, ProgressMessage } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import {
  bytes,
  empty,
  type Handler,
  json,
  progress,
  queryFilters,
  queryFlag,
  queryList,
  queryText,
  type Reply,
  type Route,
  type RouteRequest,
  requireKnownFilters,
  stream,
} from '@slipway/http';
import { LIST_FILTERS, PRUNE_FILTERS } from './filters.ts';
import type { ImageService } from './service.ts';
import { targetReference } from './tag.ts';
import { toHistoryItem, toInspect, toSummary } from './wire.ts';

type ImageHandler = (images: ImageService, request: RouteRequest) => Promise<Reply> | Reply;

/** Endpoints that docker's API shares between images and registries, so that both sides answer one path. */
export interface SharedHandlers {
  /** `POST /images/create` with `fromImage`. */
  readonly pull: Handler;
}

/** The Docker Engine API's image endpoints, and Slipway's bootstrap. Image names have slashes, so they are wildcards. */
export function imageRoutes(images: ImageService, { pull }: SharedHandlers): Route[] {
  const route = (method: Route['method'], path: string, handler: ImageHandler): Route => ({
    method,
    path,
    handler: (request) => handler(images, request),
  });
  return [
    route('GET', '/images/json', list),
    route('POST', '/images/load', load),
    route('POST', '/images/create', (_, request) => create(images, request, pull)),
    route('POST', '/images/prune', prune),
    route('GET', '/images/get', saveSeveral),
    route('GET', '/images/*/get', saveOne),
    route('GET', '/images/*/json', inspect),
    route('GET', '/images/*/history', history),
    route('POST', '/images/*/tag', tag),
    route('DELETE', '/images/*', remove),
    route('GET', '/slipway/images/*/sbom', sbom),
    route('POST', '/slipway/images/bootstrap', bootstrap),
  ];
}

const nameOf = (request: RouteRequest): string => request.params['*'] ?? '';

async function list(images: ImageService, { query, version }: RouteRequest): Promise<Reply> {
  const filters = new Map(queryFilters(query));
  requireKnownFilters(filters, LIST_FILTERS);
  // Before API 1.25 the pattern was a parameter of its own.
  const pattern = queryText(query, 'filter');
  if (pattern !== undefined && version === '1.24') filters.set('reference', [pattern]);
  const listed = await images.list({ filters, sharedSize: queryFlag(query, 'shared-size') });
  return json(
    200,
    listed.map((image) => toSummary(image, version)),
  );
}

async function inspect(images: ImageService, request: RouteRequest): Promise<Reply> {
  return json(200, toInspect(await images.inspect(nameOf(request)), request.version));
}

async function history(images: ImageService, request: RouteRequest): Promise<Reply> {
  return json(200, (await images.history(nameOf(request))).map(toHistoryItem));
}

async function sbom(images: ImageService, request: RouteRequest): Promise<Reply> {
  const { query, signal } = request;
  const format = queryText(query, 'format') ?? 'spdx-json';
  const { contentType, text } = await images.sbom(nameOf(request), { format, signal });
  return bytes(200, contentType, Buffer.from(text));
}

function load(images: ImageService, { query, body, signal }: RouteRequest): Reply {
  return progress(images.load(body, { quiet: queryFlag(query, 'quiet'), signal }));
}

function saveSeveral(images: ImageService, { query }: RouteRequest): Reply {
  return stream(200, 'application/x-tar', images.save(queryList(query, 'names')));
}

function saveOne(images: ImageService, request: RouteRequest): Reply {
  return stream(200, 'application/x-tar', images.save([nameOf(request)]));
}

function tag(images: ImageService, request: RouteRequest): Reply {
  images.tag(nameOf(request), request.query.get('repo') ?? '', request.query.get('tag') ?? '');
  return empty(201);
}

async function remove(images: ImageService, request: RouteRequest): Promise<Reply> {
  return json(200, await images.remove(nameOf(request), { force: queryFlag(request.query, 'force') }));
}

async function prune(images: ImageService, { query }: RouteRequest): Promise<Reply> {
  const filters = queryFilters(query);
  requireKnownFilters(filters, PRUNE_FILTERS);
  const { removed, freedBytes } = await images.prune(filters);
  return json(200, {
    ImagesDeleted: removed.length === 0 ? null : removed,
    SpaceReclaimed: freedBytes,
  } satisfies ImagePruneReply);
}

function bootstrap(images: ImageService, { query, signal }: RouteRequest): Reply {
  const image = queryText(query, 'image');
  if (image === undefined)
    throw new SlipwayError('InvalidArgument', 'no image named: set image=busybox or image=debian:SUITE');
  return progress(images.bootstrap({ image, name: queryText(query, 'tag') ?? '', signal }));
}

/** `docker import` and `docker pull` share an endpoint. */
function create(images: ImageService, request: RouteRequest, pull: Handler): Promise<Reply> | Reply {
  const source = queryText(request.query, 'fromSrc');
  if (source !== undefined) return importArchive(images, request, source);
  if (queryText(request.query, 'fromImage') === undefined)
    throw new SlipwayError('InvalidArgument', 'set fromImage to pull, or fromSrc to import');
  return pull(request);
}

function importArchive(images: ImageService, { query, body, signal }: RouteRequest, source: string): Reply {
  if (source !== '-') {
    throw new SlipwayError(
      'InvalidArgument',
      `cannot import from "${source}": download it and import the file, or -`,
    );
  }
  const repository = queryText(query, 'repo');
  const reference =
    repository === undefined ? undefined : targetReference(repository, query.get('tag') ?? '');
  async function* messages(): AsyncGenerator<ProgressMessage> {
    const image = await images.import(body, {
      reference,
      message: query.get('message') ?? '',
      changes: queryList(query, 'changes'),
      platform: query.get('platform') ?? '',
      signal,
    });
    yield { status: image.id };
  }
  return progress(messages());
}
