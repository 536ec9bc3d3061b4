import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { ProgressMessage } from '@slipway/api/docker';
import { hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { createEndpointFinder, openRegistryClient } from '@slipway/distribution/client';
import { computeDigest, type Descriptor, type Digest, type Platform } from '@slipway/oci';
import { openStore, writeTar } from '@slipway/store';
import { EventBus } from '../events/index.ts';
import { ImageService } from '../images/index.ts';
import { TransferService } from './index.ts';

/** A store with images and transfers in a folder that the end of the test removes; `root` is kept. */
export async function openEngine(t: TestContext, options: { root?: string; ownDomain?: string } = {}) {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), 'slipway-transfer-')));
  const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const store = await openStore({ root, ...shared });
  const events = new EventBus(systemClock);
  const images = new ImageService({ ...shared, store, events, scratchRoot: hostPath(join(root, 'scratch')) });
  const client = openRegistryClient({
    ...shared,
    userAgent: 'slipway-test',
    findEndpoints: createEndpointFinder({ mirrors: [], insecure: [], certificateFolders: [] }),
    retry: { attempts: 2, firstDelayMs: 1 },
  });
  const transfer = new TransferService({
    ...shared,
    store,
    images,
    events,
    openClient: async () => client,
    isOwnRegistry: (domain) => domain === options.ownDomain,
  });
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await transfer[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  };
  t.after(async () => {
    await close();
    if (options.root === undefined) await rm(root, { recursive: true });
  });
  return { root, store, images, events, transfer, close };
}

type Blobs = Map<string, Buffer>;

/** A registry in memory, which tells what it was asked for, and fails as it is told. */
export interface TestRegistry {
  readonly domain: string;
  /** `METHOD /v2/…`, in the order they came, with the range asked for. */
  readonly requests: string[];
  /** By repository. */
  readonly blobs: Map<string, Blobs>;
  readonly manifests: Map<string, Map<string, { bytes: Buffer; mediaType: string }>>;
  /** Bytes of blobs that were sent, by digest. */
  readonly sentBytes: Map<string, number>;
  /** Looks at a request first; true when it answered. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

export async function startRegistry(t: TestContext): Promise<TestRegistry> {
  const registry: TestRegistry & { domain: string } = {
    domain: '',
    requests: [],
    blobs: new Map(),
    manifests: new Map(),
    sentBytes: new Map(),
    intercept: () => false,
  };
  const server = createServer(async (request, response) => {
    // Answers to nobody: TLS was tried first, or the client has gone.
    response.on('error', () => {});
    const range = request.headers.range === undefined ? '' : ` ${request.headers.range}`;
    registry.requests.push(`${request.method} ${request.url}${range}`);
    if (!(await registry.intercept(request, response))) await answer(registry, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  registry.domain = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return registry;
}

const PATH = /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags)\/([^/?]*)$/;

async function answer(
  registry: TestRegistry,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://registry');
  if (url.pathname === '/v2/') return void response.end('{}');
  const [, repository = '', kind, target = ''] = PATH.exec(url.pathname) ?? [];
  const blobs = getOrAdd(registry.blobs, repository, () => new Map<string, Buffer>());
  const manifests = getOrAdd(registry.manifests, repository, () => new Map());
  const body = await buffer(request);
  if (kind === 'tags')
    return void response.end(JSON.stringify({ name: repository, tags: tagsOf(manifests) }));
  if (kind === 'manifests') {
    if (request.method === 'PUT') {
      const digest = computeDigest(body);
      const manifest = { bytes: body, mediaType: request.headers['content-type'] ?? '' };
      manifests.set(target, manifest).set(digest, manifest);
      return void response.writeHead(201, { 'docker-content-digest': digest, location: url.pathname }).end();
    }
    const found = manifests.get(target);
    if (found === undefined) return refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    response.writeHead(200, {
      'content-type': found.mediaType,
      'content-length': found.bytes.length,
      'docker-content-digest': computeDigest(found.bytes),
    });
    return void response.end(request.method === 'HEAD' ? undefined : found.bytes);
  }
  if (kind === 'blobs/uploads') {
    const digest = url.searchParams.get('mount') ?? url.searchParams.get('digest') ?? '';
    const from = registry.blobs.get(url.searchParams.get('from') ?? '')?.get(digest);
    if (request.method === 'POST' && from === undefined) {
      const location = `/v2/${repository}/blobs/uploads/${registry.requests.length}`;
      return void response.writeHead(202, { location }).end();
    }
    if (request.method === 'PATCH') {
      blobs.set(target, body);
      const range = `0-${body.length - 1}`;
      return void response.writeHead(202, { location: url.pathname, range }).end();
    }
    const stored = from ?? (body.length > 0 ? body : (blobs.get(target) ?? body));
    blobs.delete(target);
    if (computeDigest(stored) !== digest) return refuse(response, 400, 'DIGEST_INVALID', 'digest mismatch');
    blobs.set(digest, stored);
    return void response.writeHead(201, { location: `/v2/${repository}/blobs/${digest}` }).end();
  }
  const blob = blobs.get(target);
  if (kind !== 'blobs' || blob === undefined) return refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown');
  sendBlob(registry, blob, request, response);
}

/** A blob, or what of it is asked for; `cutAt` ends the connection at that byte. */
export function sendBlob(
  registry: TestRegistry,
  blob: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  cutAt = blob.length,
): void {
  const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(start === 0 ? 200 : 206, {
    'content-length': blob.length - start,
    ...(start === 0 ? {} : { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` }),
  });
  if (request.method === 'HEAD') return void response.end();
  const digest = computeDigest(blob);
  const part = blob.subarray(start, cutAt);
  registry.sentBytes.set(digest, (registry.sentBytes.get(digest) ?? 0) + part.length);
  if (cutAt === blob.length) response.end(part);
  else response.write(part, () => response.destroy());
}

export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

const tagsOf = (manifests: Map<string, unknown>): string[] =>
  [...manifests.keys()].filter((target) => !target.includes(':'));

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** A layer of one file. */
export async function layerOf(name: string, content: string | Buffer): Promise<Buffer> {
  const bytes = Buffer.from(content);
  return Buffer.concat(
    await Array.fromAsync(writeTar([{ entry: { name, sizeBytes: bytes.length }, body: [bytes] }])),
  );
}

export interface TestImage {
  readonly layers: readonly { readonly tar: Buffer; readonly compression?: 'none' | 'gzip' | 'zstd' }[];
  readonly platform?: Platform;
  readonly family?: 'oci' | 'docker';
  /** What the documents are made to say instead. */
  readonly changeConfig?: (config: Record<string, unknown>) => unknown;
  readonly changeManifest?: (manifest: Record<string, unknown>) => unknown;
}

const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';

/** Puts an image into the registry, and returns its manifest's descriptor and the layers'. */
export function putImage(
  registry: TestRegistry,
  repository: string,
  tag: string,
  image: TestImage,
): { descriptor: Descriptor; layers: readonly Descriptor[]; id: Digest } {
  const { layers, platform = { os: 'linux', architecture: 'amd64' }, family = 'oci' } = image;
  const blobs = getOrAdd(registry.blobs, repository, () => new Map<string, Buffer>());
  const put = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = computeDigest(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const descriptors = layers.map(({ tar, compression = 'gzip' }) => {
    const bytes =
      compression === 'gzip' ? gzipSync(tar) : compression === 'zstd' ? zstdCompressSync(tar) : tar;
    const suffix = compression === 'none' ? '' : compression;
    return put(
      family === 'oci'
        ? `${OCI}.layer.v1.tar${suffix && `+${suffix}`}`
        : `${DOCKER}.image.rootfs.diff.tar${suffix && `.${suffix}`}`,
      bytes,
    );
  });
  const config = {
    ...platform,
    config: { Cmd: ['/bin/true'], Labels: { made: 'here' } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => computeDigest(tar)) },
  };
  const configBytes = Buffer.from(JSON.stringify(image.changeConfig?.(config) ?? config));
  const mediaType = family === 'oci' ? `${OCI}.manifest.v1+json` : `${DOCKER}.distribution.manifest.v2+json`;
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: put(
      family === 'oci' ? `${OCI}.config.v1+json` : `${DOCKER}.container.image.v1+json`,
      configBytes,
    ),
    layers: descriptors,
  };
  const descriptor = putManifest(
    registry,
    repository,
    tag,
    mediaType,
    image.changeManifest?.(manifest) ?? manifest,
  );
  return {
    descriptor: { ...descriptor, platform: { ...platform } },
    layers: descriptors,
    id: manifest.config.digest,
  };
}

export function putManifest(
  registry: TestRegistry,
  repository: string,
  tag: string,
  mediaType: string,
  document: unknown,
): Descriptor {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = computeDigest(bytes);
  getOrAdd(registry.manifests, repository, () => new Map())
    .set(tag, { bytes, mediaType })
    .set(digest, { bytes, mediaType });
  return { mediaType, digest, size: bytes.length };
}

export const putIndex = (
  registry: TestRegistry,
  repository: string,
  tag: string,
  manifests: readonly Descriptor[],
): Descriptor =>
  putManifest(registry, repository, tag, `${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests,
  });

/** Every message, or what was thrown after some. */
export async function messagesOf(
  messages: Promise<AsyncIterable<ProgressMessage>>,
): Promise<ProgressMessage[]> {
  return await Array.fromAsync(await messages);
}
