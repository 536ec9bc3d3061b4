import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { digestOf } from './fault-registry.ts';

export interface RegistryAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly text: string;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** A client of a registry that sends what it is told, byte for byte, and nothing by itself. */
export class RegistryApi {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** `path` goes as it is; a body that is a stream is sent in pieces. */
  call(
    method: string,
    path: string,
    body?: Uint8Array | AsyncIterable<Uint8Array>,
    headers: Record<string, string | number> = {},
  ): Promise<RegistryAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.#port, method, path, agent: false, headers, timeout: 30_000 },
        (response) => {
          buffer(response).then(
            (whole) =>
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body: whole,
                text: whole.toString(),
              }),
            reject,
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method} ${path} in 30 s`)));
      if (body === undefined || body instanceof Uint8Array) outgoing.end(body);
      else writeAll(outgoing, body).catch((error) => outgoing.destroy(error));
    });
  }

  /** The path of a new upload. */
  async startUpload(repository: string): Promise<string> {
    const { status, headers, text } = await this.call('POST', `/v2/${repository}/blobs/uploads/`);
    if (status !== 202) throw new Error(`${status} for a new upload: ${text}`);
    return String(headers.location);
  }

  /** A blob in one go; the answer to its end. */
  async putBlob(repository: string, bytes: Buffer): Promise<RegistryAnswer> {
    const location = await this.startUpload(repository);
    return await this.call('PUT', `${location}?digest=${digestOf(bytes)}`, bytes);
  }

  putManifest(repository: string, reference: string, manifest: unknown): Promise<RegistryAnswer> {
    const bytes = manifest instanceof Buffer ? manifest : Buffer.from(JSON.stringify(manifest));
    return this.call('PUT', `/v2/${repository}/manifests/${reference}`, bytes, { 'content-type': MANIFEST });
  }

  getManifest(repository: string, reference: string): Promise<RegistryAnswer> {
    return this.call('GET', `/v2/${repository}/manifests/${reference}`, undefined, { accept: MANIFEST });
  }

  getBlob(repository: string, digest: string): Promise<RegistryAnswer> {
    return this.call('GET', `/v2/${repository}/blobs/${digest}`);
  }
}

/** A manifest of blobs that need not be there. */
export const manifestOf = (config: Buffer, layers: readonly Buffer[]) => {
  const describe = (mediaType: string) => (bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  return {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describe('application/vnd.oci.image.config.v1+json')(config),
    layers: layers.map(describe('application/vnd.oci.image.layer.v1.tar')),
  };
};

async function writeAll(
  outgoing: ReturnType<typeof request>,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const chunk of body) {
    if (outgoing.destroyed) return;
    outgoing.write(chunk);
  }
  outgoing.end();
}
