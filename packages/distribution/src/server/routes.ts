import { isSlipwayError, SlipwayError } from '@slipway/base';
import { type Headers, json, ociErrorReply, type Reply, type Route, type RouteRequest } from '@slipway/http';
import type { Doorkeeper, RegistryAction, RegistryBackend, Visitor } from './backend.ts';
import { deleteBlob, getBlob } from './blobs.ts';
import type { Endpoint } from './exchange.ts';
import { listCatalog, listReferrers, listTags } from './listings.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import { parseTarget, type ResourceKind, type Target } from './names.ts';
import { appendToUpload, cancelUpload, finishUpload, getUpload, startUpload } from './uploads.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
type Method = (typeof METHODS)[number];

const ENDPOINTS: Readonly<Record<ResourceKind, Partial<Readonly<Record<Method, Endpoint>>>>> = {
  manifests: { GET: getManifest, HEAD: getManifest, PUT: putManifest, DELETE: deleteManifest },
  blobs: { GET: getBlob, HEAD: getBlob, DELETE: deleteBlob },
  uploads: {
    GET: getUpload,
    HEAD: getUpload,
    POST: startUpload,
    PATCH: appendToUpload,
    PUT: finishUpload,
    DELETE: cancelUpload,
  },
  tags: { GET: listTags, HEAD: listTags },
  referrers: { GET: listReferrers, HEAD: listReferrers },
};

/** What a client asks for beside what it needs, so that one token serves a whole push. */
const ACTIONS: Readonly<Record<RegistryAction, readonly RegistryAction[]>> = {
  pull: ['pull'],
  push: ['pull', 'push'],
  delete: ['delete'],
};

/**
 * A registry, for `serve` with `ociDialect()`: everything below `/v2/`.
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
 */
export function registryRoutes({
  backend,
  doorkeeper,
}: {
  readonly backend: RegistryBackend;
  readonly doorkeeper: Doorkeeper;
}): readonly Route[] {
  const ping = (request: RouteRequest) =>
    admitted(doorkeeper, request, (visitor) =>
      isStranger(visitor, request) ? askWho(doorkeeper, request) : json(200, {}),
    );
  const catalog = (request: RouteRequest) =>
    admitted(doorkeeper, request, (visitor) =>
      isStranger(visitor, request)
        ? askWho(doorkeeper, request, 'scope="registry:catalog:*"')
        : listCatalog(backend, visitor, request),
    );
  const dispatch = (request: RouteRequest) =>
    admitted(doorkeeper, request, (visitor) => {
      const target = parseTarget(request.path);
      if (target === undefined) throw notFound(request);
      const endpoint = ENDPOINTS[target.kind][request.method as Method];
      if (endpoint === undefined) throw notSupported(request);
      if (!visitor.may(endpoint.action, target.repository)) {
        return refuse(doorkeeper, request, { visitor, target, action: endpoint.action });
      }
      return endpoint.handle({ ...target, request, visitor, backend });
    });
  return [
    ...(['GET', 'HEAD'] as const).flatMap((method): Route[] => [
      // `docker login` asks without the slash when it was told a path.
      { method, path: '/v2', handler: ping },
      { method, path: '/v2/', handler: ping },
      { method, path: '/v2/_catalog', handler: catalog },
    ]),
    ...METHODS.map((method): Route => ({ method, path: '/v2/*', handler: dispatch })),
  ];
}

/** Runs `then` for the visitor; who gave wrong credentials is asked again. */
async function admitted(
  doorkeeper: Doorkeeper,
  request: RouteRequest,
  then: (visitor: Visitor) => Reply | Promise<Reply>,
): Promise<Reply> {
  let visitor: Visitor;
  try {
    visitor = await doorkeeper.admit(request.headers);
  } catch (error) {
    if (!isSlipwayError(error, 'Unauthenticated')) throw error;
    const target = findTarget(request);
    const action = target && ENDPOINTS[target.kind][request.method as Method]?.action;
    return ociErrorReply(error, challenge(doorkeeper, request, { target, action }));
  }
  return await then(visitor);
}

/**
 * Somebody without a name and without a token, where names are asked for. Docker learns how to log in only here, also
 * where everybody may pull.
 */
const isStranger = (visitor: Visitor, request: RouteRequest): boolean =>
  visitor.name === undefined && !visitor.isAdmin && request.headers.authorization === undefined;

function askWho(doorkeeper: Doorkeeper, request: RouteRequest, parameter?: string): Reply {
  const headers = challenge(doorkeeper, request, { parameter });
  return ociErrorReply(unauthorized('log in to use this registry'), headers);
}

/** A token says what it is for, so one that does not suffice is answered as none: the client gets another. */
function refuse(
  doorkeeper: Doorkeeper,
  request: RouteRequest,
  { visitor, target, action }: { visitor: Visitor; target: Target; action: RegistryAction },
): Reply {
  const wanted = `${action} ${target.repository}`;
  const hasToken = /^bearer /i.test(request.headers.authorization ?? '');
  if (visitor.name === undefined || hasToken) {
    const error = unauthorized(`to ${wanted}, log in as somebody who may`);
    // RFC 6750 section 3.1; it also ends the attempts of a client that got no wider token.
    const parameter = hasToken ? 'error="insufficient_scope"' : undefined;
    return ociErrorReply(error, challenge(doorkeeper, request, { target, action, parameter }));
  }
  const message = `${visitor.name} may not ${wanted}: ask an administrator of this registry for it`;
  return ociErrorReply(new SlipwayError('PermissionDenied', message, { reason: 'DENIED' }));
}

function challenge(
  doorkeeper: Doorkeeper,
  { headers }: RouteRequest,
  wanted: {
    target?: Target | undefined;
    action?: RegistryAction | undefined;
    parameter?: string | undefined;
  },
): Headers {
  const { target, action, parameter } = wanted;
  const asked = doorkeeper.challenge({
    host: headers.host ?? '',
    repository: target?.repository,
    ...(action === undefined ? {} : { actions: ACTIONS[action] }),
  });
  return { 'WWW-Authenticate': parameter === undefined ? asked : `${asked},${parameter}` };
}

function findTarget(request: RouteRequest): Target | undefined {
  try {
    return parseTarget(request.path);
  } catch {
    return undefined;
  }
}

const unauthorized = (message: string) =>
  new SlipwayError('Unauthenticated', message, { reason: 'UNAUTHORIZED' });

const notFound = ({ path }: RouteRequest) =>
  new SlipwayError('NotFound', `${path.slice(0, 300)} is no path of a registry`, { reason: 'NAME_UNKNOWN' });

const notSupported = ({ method, path }: RouteRequest) =>
  new SlipwayError('NotImplemented', `${method} is nothing that can be done with ${path.slice(0, 300)}`, {
    reason: 'UNSUPPORTED',
  });
