import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Registry } from './registry.ts';

export const IMAGE_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';
export const OCTETS = 'application/octet-stream';

/** Those that the specification registers. */
export type Algorithm = 'sha256' | 'sha512';

export const digestOf = (bytes: Uint8Array | string, algorithm: Algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

export interface Named {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Bytes that no other test has pushed. */
export const newBytes = (length: number): Buffer => randomBytes(length);

/** A manifest or an index, as it is pushed. */
export interface Document {
  readonly bytes: Buffer;
  readonly type: string;
  readonly descriptor: Named;
}

export function toDocument(type: string, fields: object, algorithm: Algorithm = 'sha256'): Document {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, ...fields }));
  return {
    bytes,
    type,
    descriptor: { mediaType: type, digest: digestOf(bytes, algorithm), size: bytes.length },
  };
}

/** Pushes a blob in one request. */
export async function pushBlob(
  registry: Registry,
  repository: string,
  bytes: Uint8Array,
  { mediaType = OCTETS, algorithm = 'sha256' as Algorithm } = {},
): Promise<Named> {
  const digest = digestOf(bytes, algorithm);
  const begun = await registry.must(202, 'POST', `/v2/${repository}/blobs/uploads/`);
  await registry.must(201, 'PUT', locationOf(begun), {
    query: { digest },
    body: bytes,
    headers: { 'content-type': OCTETS },
  });
  return { mediaType, digest, size: bytes.length };
}

/** An image's manifest whose configuration and layer are in the repository; itself it is not pushed yet. */
export async function makeImage(
  registry: Registry,
  repository: string,
  { algorithm = 'sha256' as Algorithm, ...fields }: { algorithm?: Algorithm; [field: string]: unknown } = {},
): Promise<Document> {
  const config = await pushBlob(
    registry,
    repository,
    Buffer.from(JSON.stringify({ os: 'linux', id: newBytes(8).toString('hex') })),
    {
      mediaType: CONFIG_TYPE,
      algorithm,
    },
  );
  const layer = await pushBlob(registry, repository, gzipSync(newBytes(600)), {
    mediaType: LAYER_TYPE,
    algorithm,
  });
  return toDocument(IMAGE_TYPE, { config, layers: [layer], ...fields }, algorithm);
}

/** An artifact: a manifest that says what it is, its configuration empty. */
export async function makeArtifact(
  registry: Registry,
  repository: string,
  { artifactType, ...fields }: { artifactType: string; [field: string]: unknown },
): Promise<Document> {
  const config = await pushBlob(registry, repository, Buffer.from('{}'), { mediaType: EMPTY_TYPE });
  const layer = await pushBlob(registry, repository, newBytes(100), { mediaType: artifactType });
  return toDocument(IMAGE_TYPE, { artifactType, config, layers: [layer], ...fields });
}

/** Pushes a manifest or index by its digest, or by a tag. */
export const pushDocument = (
  registry: Registry,
  repository: string,
  { bytes, type, descriptor }: Document,
  reference: string = descriptor.digest,
) =>
  registry.must(201, 'PUT', `/v2/${repository}/manifests/${reference}`, {
    body: bytes,
    headers: { 'content-type': type },
  });

/** Where the answer says to go on. */
export function locationOf({ headers }: { readonly headers: Headers }): string {
  const location = headers.get('location');
  if (location === null) throw new Error('the answer has no Location');
  return location;
}
