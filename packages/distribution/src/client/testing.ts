import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Clock, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { computeDigest, type Digest, MediaType } from '@slipway/oci';
import { openRegistryClient, type RegistryClientOptions } from './client.ts';
import { createEndpointFinder, type EndpointOptions } from './endpoints.ts';
import type { RegistryClient } from './registry.ts';

const http = process.getBuiltinModule('node:http');

/** Deals with a request in the registry's stead. False: the registry answers. */
export type Intercept = (
  request: IncomingMessage,
  response: ServerResponse,
  seen: SeenRequest,
) => boolean | Promise<boolean>;

export interface SeenRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Bytes of the body that came. */
  bodyBytes: number;
}

/** A server on a free port of 127.0.0.1. */
export interface TestServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** All that came, in order. */
  readonly seen: SeenRequest[];
  /** Connections that are open. */
  readonly openConnections: () => number;
  readonly server: Server;
}

/** Serves what `listener` says, and writes down what was asked. */
export async function startServer(
  listener: RequestListener,
  create: (listener: RequestListener) => Server = (given) => http.createServer(given),
): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server = create(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    openConnections: () => sockets.size,
    server,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface TestRegistry extends TestServer {
  readonly blobs: Map<string, Buffer>;
  /** By `PATH:TAG` and `PATH@DIGEST`. */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  readonly uploads: Map<string, Buffer>;
  intercept: Intercept;
  /** Requests to the registry, without those that only ask which protocol it speaks. */
  readonly asked: () => string[];
  readonly addBlob: (bytes: Buffer) => { readonly digest: Digest; readonly size: number };
  readonly addManifest: (path: string, tag: string, bytes: Buffer, mediaType?: string) => Digest;
}

const MANIFEST = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
const BLOB = /^\/v2\/(.+)\/blobs\/(\w+:\w+)$/;
const UPLOADS = /^\/v2\/(.+)\/blobs\/uploads\/$/;
const UPLOAD = /^\/v2\/.+\/blobs\/uploads\/([\w-]+)$/;
const REFERRERS = /^\/v2\/(.+)\/referrers\/(.+)$/;

/** A registry in memory that behaves, except where a test intercepts. */
export async function startRegistry(intercept: Intercept = () => false): Promise<TestRegistry> {
  const blobs: TestRegistry['blobs'] = new Map();
  const manifests: TestRegistry['manifests'] = new Map();
  const uploads: TestRegistry['uploads'] = new Map();
  const stored = { blobs, manifests, uploads };
  const base = await startServer(async (request, response) => {
    const seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bodyBytes: 0,
    };
    registry.seen.push(seen);
    request.on('error', () => {});
    if (!(await registry.intercept(request, response, seen))) await answer(stored, request, response, seen);
  });
  const registry: TestRegistry = {
    ...base,
    ...stored,
    intercept,
    asked: () =>
      base.seen.filter(({ path }) => path !== '/v2/').map(({ method, path }) => `${method} ${path}`),
    addBlob: (bytes) => {
      const digest = computeDigest(bytes);
      blobs.set(digest, bytes);
      return { digest, size: bytes.byteLength };
    },
    addManifest: (path, tag, bytes, mediaType = MediaType.ociManifest) => {
      const digest = computeDigest(bytes);
      for (const key of [`${path}:${tag}`, `${path}@${digest}`]) manifests.set(key, { bytes, mediaType });
      return digest;
    },
  };
  return registry;
}

type Stored = Pick<TestRegistry, 'blobs' | 'manifests' | 'uploads'>;

async function answer(stored: Stored, request: IncomingMessage, response: ServerResponse, seen: SeenRequest) {
  const url = new URL(seen.path, 'http://registry');
  const [, path = '', target = ''] = MANIFEST.exec(url.pathname) ?? BLOB.exec(url.pathname) ?? [];
  if (url.pathname === '/v2/') response.writeHead(200).end('{}');
  else if (UPLOADS.test(url.pathname)) startUpload(stored, url, response);
  else if (UPLOAD.test(url.pathname)) await continueUpload(stored, url, request, response, seen);
  else if (REFERRERS.test(url.pathname)) refuse(response, 404, 'UNSUPPORTED', 'no referrers here');
  else if (BLOB.test(url.pathname))
    sendBytes(request, response, stored.blobs.get(target), {}, 'BLOB_UNKNOWN');
  else if (request.method === 'PUT') {
    const bytes = await readBody(request, seen);
    const digest = computeDigest(bytes);
    const mediaType = request.headers['content-type'] ?? '';
    for (const key of [`${path}:${target}`, `${path}@${digest}`])
      stored.manifests.set(key, { bytes, mediaType });
    response.writeHead(201, { 'docker-content-digest': digest }).end();
  } else {
    const manifest = stored.manifests.get(`${path}${target.includes(':') ? '@' : ':'}${target}`);
    const headers = manifest === undefined ? {} : describe(manifest);
    sendBytes(request, response, manifest?.bytes, headers, 'MANIFEST_UNKNOWN');
  }
}

const describe = ({ bytes, mediaType }: { bytes: Buffer; mediaType: string }) => ({
  'content-type': mediaType,
  'docker-content-digest': computeDigest(bytes),
});

function startUpload(stored: Stored, url: URL, response: ServerResponse) {
  const mount = url.searchParams.get('mount');
  if (mount !== null && stored.blobs.has(mount)) {
    response.writeHead(201, { location: `${url.pathname}../${mount}` }).end();
    return;
  }
  const id = `u${stored.uploads.size}`;
  stored.uploads.set(id, Buffer.alloc(0));
  // Relative and with a query, as some have it.
  response.writeHead(202, { location: `${url.pathname}${id}?state=s%2B1` }).end();
}

async function continueUpload(
  { uploads, blobs }: Stored,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  seen: SeenRequest,
) {
  const id = UPLOAD.exec(url.pathname)?.[1] ?? '';
  const before = uploads.get(id);
  if (before === undefined) return refuse(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown');
  const [start] = (request.headers['content-range'] ?? `${before.byteLength}-`).split('-');
  if (Number(start) !== before.byteLength)
    return refuse(response, 416, 'BLOB_UPLOAD_INVALID', 'out of order');
  const chunks = [before];
  try {
    await readBody(request, seen, chunks);
  } catch {
    return; // What came is kept, as registries do.
  } finally {
    uploads.set(id, Buffer.concat(chunks));
  }
  const bytes = uploads.get(id) ?? before;
  const digest = url.searchParams.get('digest');
  if (request.method === 'DELETE') uploads.delete(id);
  if (request.method !== 'PUT') {
    const status = request.method === 'PATCH' ? 202 : 204;
    const range = `0-${Math.max(0, bytes.byteLength - 1)}`;
    response.writeHead(status, { location: url.pathname + url.search, range }).end();
    return;
  }
  if (url.searchParams.get('state') !== 's+1' || digest !== computeDigest(bytes)) {
    return refuse(response, 400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  }
  uploads.delete(id);
  blobs.set(digest, bytes);
  response.writeHead(201, { 'docker-content-digest': digest }).end();
}

async function readBody(request: IncomingMessage, seen: SeenRequest, chunks: Buffer[] = []) {
  for await (const chunk of request) {
    seen.bodyBytes += chunk.byteLength;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Sends bytes, or the part that a `Range` asks for. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer | undefined,
  headers: Record<string, string>,
  unknown: string,
) {
  if (bytes === undefined) return refuse(response, 404, unknown, unknown.toLowerCase().replace('_', ' '));
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const part = bytes.subarray(start);
  const range =
    start === 0 ? {} : { 'content-range': `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}` };
  response.writeHead(start === 0 ? 200 : 206, { ...headers, ...range, 'content-length': part.byteLength });
  response.end(request.method === 'HEAD' ? undefined : part);
}

/** An error as the specification has it. */
export function refuse(response: ServerResponse, status: number, code: string, message: string) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

/** Bytes that look like nothing, the same ones for the same seed. */
export function someBytes(size: number, seed = 'bytes'): Buffer {
  const block = createHash('sha512').update(seed).digest();
  const bytes = Buffer.alloc(size, block);
  for (let at = 0; at < size; at += 4096) bytes.writeUInt8((at / 4096) % 256, at);
  return bytes;
}

/** A client that does not wait long. */
export function openTestClient(
  options: Partial<RegistryClientOptions> & { readonly endpoints?: Partial<EndpointOptions> } = {},
): RegistryClient {
  const { endpoints, ...given } = options;
  return openRegistryClient({
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    userAgent: 'slipway/test',
    findEndpoints: createEndpointFinder({ mirrors: [], insecure: [], certificateFolders: [], ...endpoints }),
    connectTimeoutMs: 2_000,
    stallTimeoutMs: 300,
    retry: { firstDelayMs: 2, maxDelayMs: 10 },
    ...given,
  });
}

/** The system's clock, except that sleeping takes no time and is written down. */
export function sleeplessClock(slept: number[]): Clock {
  const clock: Clock = Object.create(systemClock);
  clock.sleep = async (ms) => {
    slept.push(ms);
  };
  return clock;
}

/** All of an iterable, in one buffer. */
export async function readAllBytes(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
