import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { makeTar } from './tar.ts';

/** What of a pull a request is for. */
export type Phase = 'ping' | 'token' | 'manifest' | 'config' | 'layer' | 'tags' | 'upload';

export interface RegistryRequest {
  readonly phase: Phase;
  readonly method: string;
  readonly path: string;
  readonly repository: string;
  /** A tag or a digest. */
  readonly target: string;
  /** The first byte asked for. */
  readonly start: number;
  readonly authorization: string | undefined;
}

/** What goes wrong instead of the answer. */
export type Fault =
  /** The connection ends before the answer, or at a byte of the whole body. */
  | { readonly cutAt: number | 'once asked' }
  /** The body comes up to that byte, and then nothing. */
  | { readonly stallAt: number }
  | { readonly status: number; readonly headers?: Record<string, string | number>; readonly body?: string }
  /** These bytes instead of the right ones, as if they were the right ones. */
  | { readonly bytes: Buffer }
  /** The right bytes under this Content-Length. */
  | { readonly length: number }
  /** The second half of the right bytes comes so much later. */
  | { readonly pauseMs: number };

export interface FaultImage {
  readonly layers: readonly Buffer[];
  readonly changeConfig?: (config: Record<string, unknown>) => unknown;
  readonly changeManifest?: (manifest: Record<string, unknown>) => unknown;
}

export interface PutImage {
  readonly manifestDigest: string;
  readonly layerDigests: readonly string[];
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const TYPE = 'application/vnd.oci.image';
const TOKEN = 'token-that-nobody-else-may-see';

/** An image of one large layer that does not compress, and a small one. */
export const largeImage = (sizeBytes: number): FaultImage => ({
  layers: [
    makeTar([{ name: 'large', content: randomBytes(sizeBytes) }]),
    gzipSync(makeTar([{ name: 'small', content: randomBytes(16).toString('hex') }])),
  ],
});

/** A registry in memory that does wrong what it is told to, and counts what it is asked. */
export class FaultRegistry implements AsyncDisposable {
  readonly requests: RegistryRequest[] = [];
  /** Bytes of bodies that were sent, by digest. */
  readonly sentBytes = new Map<string, number>();
  readonly blobs = new Map<string, Buffer>();
  /** By `REPOSITORY:TAG` and `REPOSITORY@DIGEST`. */
  readonly manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  /** Asked for each request; undefined where nothing goes wrong. */
  fault: (request: RegistryRequest) => Fault | undefined = () => undefined;
  /** Whether a token is wanted. */
  isGuarded = false;
  /** Answers that are being sent. */
  pending = 0;
  readonly #configs = new Set<string>();
  readonly #server = createServer((request, response) => {
    // TLS was tried first, or the client has gone.
    response.on('error', () => {});
    this.pending++;
    response.once('close', () => this.pending--);
    this.#answer(request, response);
  });

  private constructor() {}

  static async start(): Promise<FaultRegistry> {
    const registry = new FaultRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Adds an image, whose layers are plain or gzip'd tar archives. */
  putImage(repository: string, tag: string, { layers, ...change }: FaultImage): PutImage {
    const isGzip = (bytes: Buffer) => bytes[0] === 0x1f && bytes[1] === 0x8b;
    const descriptors = layers.map((bytes) =>
      this.putBlob(bytes, `${TYPE}.layer.v1.tar${isGzip(bytes) ? '+gzip' : ''}`),
    );
    const diffIds = layers.map((bytes) => digestOf(isGzip(bytes) ? gunzipSync(bytes) : bytes));
    const config = {
      os: 'linux',
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      config: { Cmd: ['/none'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
    };
    const configBytes = Buffer.from(JSON.stringify(change.changeConfig?.(config) ?? config));
    const described = this.putBlob(configBytes, `${TYPE}.config.v1+json`);
    this.#configs.add(described.digest);
    const mediaType = `${TYPE}.manifest.v1+json`;
    const manifest = { schemaVersion: 2, mediaType, config: described, layers: descriptors };
    const bytes = Buffer.from(JSON.stringify(change.changeManifest?.(manifest) ?? manifest));
    return {
      manifestDigest: this.putManifest(repository, tag, bytes, mediaType),
      layerDigests: descriptors.map(({ digest }) => digest),
    };
  }

  putBlob(bytes: Buffer, mediaType: string): { mediaType: string; digest: string; size: number } {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  putManifest(repository: string, tag: string, bytes: Buffer, mediaType = `${TYPE}.manifest.v1+json`) {
    const digest = digestOf(bytes);
    this.manifests
      .set(`${repository}:${tag}`, { bytes, mediaType })
      .set(`${repository}@${digest}`, { bytes, mediaType });
    return digest;
  }

  /** How often bytes of the blob were asked for. */
  readsOf(digest: string): number {
    return this.requests.filter(({ method, target }) => method === 'GET' && target === digest).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    incoming.resume();
    const request = this.#parse(incoming);
    this.requests.push(request);
    const fault = this.fault(request);
    if (fault !== undefined && 'status' in fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (fault !== undefined && 'cutAt' in fault && fault.cutAt === 'once asked') {
      response.destroy();
      return;
    }
    if (this.isGuarded && request.phase !== 'token' && request.authorization !== `Bearer ${TOKEN}`) {
      const challenge = `Bearer realm="http://${this.host}/token",service="fault"`;
      refuse(response, 401, 'UNAUTHORIZED', { 'www-authenticate': challenge });
      return;
    }
    const found = this.#find(request);
    if (found === undefined) refuse(response, 404, `${request.phase.toUpperCase()}_UNKNOWN`);
    else send(this, request, response, found, fault);
  }

  #parse({ method = '', url = '', headers }: IncomingMessage): RegistryRequest {
    const path = new URL(url, 'http://registry').pathname;
    const [, repository = '', kind = '', target = ''] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags)\/([^/]*)$/.exec(path) ?? [];
    const phase: Phase =
      path === '/token'
        ? 'token'
        : kind === ''
          ? 'ping'
          : kind === 'blobs/uploads'
            ? 'upload'
            : kind === 'manifests'
              ? 'manifest'
              : kind === 'tags'
                ? 'tags'
                : this.#configs.has(target)
                  ? 'config'
                  : 'layer';
    const start = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    return { phase, method, path, repository, target, start, authorization: headers.authorization };
  }

  #find({ phase, repository, target }: RegistryRequest): { bytes: Buffer; mediaType: string } | undefined {
    const json = (value: unknown) => ({
      bytes: Buffer.from(JSON.stringify(value)),
      mediaType: 'application/json',
    });
    if (phase === 'ping') return json({});
    if (phase === 'token') return json({ token: TOKEN, expires_in: 300 });
    if (phase === 'manifest')
      return this.manifests.get(`${repository}${target.includes(':') ? '@' : ':'}${target}`);
    const bytes = this.blobs.get(target);
    return bytes === undefined ? undefined : { bytes, mediaType: 'application/octet-stream' };
  }
}

function send(
  { sentBytes }: FaultRegistry,
  { method, target, phase, start }: RegistryRequest,
  response: ServerResponse,
  found: { bytes: Buffer; mediaType: string },
  fault: Fault | undefined,
): void {
  const bytes = fault !== undefined && 'bytes' in fault ? fault.bytes : found.bytes;
  response.writeHead(start === 0 ? 200 : 206, {
    'content-type': found.mediaType,
    'content-length': fault !== undefined && 'length' in fault ? fault.length : bytes.length - start,
    ...(phase === 'manifest' ? { 'docker-content-digest': digestOf(found.bytes) } : {}),
    ...(start === 0 ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (method === 'HEAD') return void response.end();
  const endAt =
    fault !== undefined && 'cutAt' in fault
      ? Number(fault.cutAt)
      : fault !== undefined && 'stallAt' in fault
        ? fault.stallAt
        : bytes.length;
  const part = bytes.subarray(start, Math.max(start, endAt));
  sentBytes.set(target, (sentBytes.get(target) ?? 0) + part.length);
  if (fault !== undefined && 'stallAt' in fault) return void response.write(part);
  if (fault === undefined || 'bytes' in fault) return void response.end(part);
  if ('pauseMs' in fault) {
    const half = part.length >> 1;
    response.write(part.subarray(0, half));
    setTimeout(() => response.end(part.subarray(half)), fault.pauseMs);
    return;
  }
  // What was written must arrive: the end of the connection comes after it.
  response.flushHeaders();
  response.write(part, () => response.socket?.destroySoon());
}

function refuse(response: ServerResponse, status: number, code: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }));
}
