import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostPath, SlipwayError, systemRandom } from '@slipway/base';
import { type Descriptor, type Digest, digestAlgorithm, parseManifestOrIndex } from '@slipway/oci';
import type {
  BlobUpload,
  Doorkeeper,
  NewManifest,
  RegistryAction,
  RegistryBackend,
  StoredBlob,
  StoredManifest,
  Visitor,
} from './backend.ts';
import { KEEPER } from './backend.ts';

/** Everybody may do everything. */
export const openDoor: Doorkeeper = {
  admit: async () => KEEPER,
  challenge: () => 'Basic realm="nobody is asked"',
};

interface Repository {
  readonly manifests: Map<string, StoredManifest & { subject: Digest | undefined; entry: Descriptor }>;
  readonly tags: Map<string, Digest>;
  readonly blobs: Map<string, StoredBlob>;
}

/** A whole registry in memory, its blobs as files in a folder of its own that goes when it is disposed. */
export class MemoryRegistry implements RegistryBackend, Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'slipway-memory-registry-'));
  readonly #repositories = new Map<string, Repository>();
  readonly #uploads = new Map<string, MemoryUpload>();

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  async listRepositories(options: { after?: string | undefined; limit: number; visitor: Visitor }) {
    const names = [...this.#repositories.keys()].filter((name) => options.visitor.may('pull', name));
    return page(names, options);
  }

  async getManifest(name: string, target: string): Promise<StoredManifest> {
    const { manifests, tags } = this.#get(name);
    const found = manifests.get(target.includes(':') ? target : (tags.get(target) ?? ''));
    if (found === undefined) throw unknown('MANIFEST_UNKNOWN', `manifest ${target}`);
    return found;
  }

  async putManifest(
    name: string,
    manifest: NewManifest,
    { tags }: { readonly tags: readonly string[]; readonly visitor: Visitor },
  ): Promise<{ readonly subject: Digest | undefined }> {
    const repository = this.#make(name);
    const parsed = parseOrRefuse(manifest);
    const document = parsed.kind === 'index' ? parsed.index : parsed.manifest;
    const needed =
      parsed.kind === 'index' ? parsed.index.manifests : [parsed.manifest.config, ...parsed.manifest.layers];
    const present: ReadonlyMap<string, unknown> =
      parsed.kind === 'index' ? repository.manifests : repository.blobs;
    for (const { digest, mediaType } of needed) {
      if (!present.has(digest) && !mediaType.includes('nondistributable')) {
        throw unknown('MANIFEST_BLOB_UNKNOWN', digest);
      }
    }
    const artifactType =
      document.artifactType ?? (parsed.kind === 'manifest' ? parsed.manifest.config.mediaType : undefined);
    const subject = document.subject?.digest;
    repository.manifests.set(manifest.digest, {
      ...manifest,
      subject,
      entry: {
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.bytes.byteLength,
        artifactType,
        annotations: document.annotations,
      },
    });
    for (const tag of tags) repository.tags.set(tag, manifest.digest);
    return { subject };
  }

  async deleteManifest(name: string, digest: Digest): Promise<void> {
    const { manifests, tags } = this.#get(name);
    if (!manifests.delete(digest)) throw unknown('MANIFEST_UNKNOWN', digest);
    for (const [tag, target] of tags) if (target === digest) tags.delete(tag);
  }

  async deleteTag(name: string, tag: string): Promise<void> {
    if (!this.#get(name).tags.delete(tag)) throw unknown('MANIFEST_UNKNOWN', tag);
  }

  async listTags(name: string, options: { after?: string | undefined; limit?: number | undefined }) {
    return page([...this.#get(name).tags.keys()], options);
  }

  async listReferrers(name: string, digest: Digest): Promise<readonly Descriptor[]> {
    const manifests = this.#repositories.get(name)?.manifests.values() ?? [];
    return [...manifests].filter(({ subject }) => subject === digest).map(({ entry }) => entry);
  }

  async getBlob(name: string, digest: Digest): Promise<StoredBlob> {
    const blob = this.#repositories.get(name)?.blobs.get(digest);
    if (blob === undefined) throw unknown('BLOB_UNKNOWN', digest);
    return blob;
  }

  async deleteBlob(name: string, digest: Digest): Promise<void> {
    if (this.#repositories.get(name)?.blobs.delete(digest) !== true) throw unknown('BLOB_UNKNOWN', digest);
  }

  async mountBlob(
    name: string,
    digest: Digest,
    { from, visitor }: { readonly from: string | undefined; readonly visitor: Visitor },
  ): Promise<boolean> {
    const sources = from === undefined ? [...this.#repositories.keys()] : [from];
    for (const source of sources.filter((one) => visitor.may('pull', one))) {
      const blob = this.#repositories.get(source)?.blobs.get(digest);
      if (blob === undefined) continue;
      this.#make(name).blobs.set(digest, blob);
      return true;
    }
    return false;
  }

  async startUpload(name: string): Promise<BlobUpload> {
    const upload = new MemoryUpload(systemRandom.hex(16), {
      store: (bytes, digest) => this.#store(name, bytes, digest),
      end: (id) => this.#uploads.delete(`${name} ${id}`),
    });
    this.#uploads.set(`${name} ${upload.id}`, upload);
    return upload;
  }

  async getUpload(name: string, id: string): Promise<BlobUpload> {
    const upload = this.#uploads.get(`${name} ${id}`);
    if (upload === undefined) throw unknown('BLOB_UPLOAD_UNKNOWN', `upload ${id}`);
    return upload;
  }

  #store(name: string, bytes: Uint8Array, digest: Digest): void {
    const folder = join(this.#root, digestAlgorithm(digest));
    mkdirSync(folder, { recursive: true });
    const path = hostPath(join(folder, digest.slice(digest.indexOf(':') + 1)));
    writeFileSync(path, bytes);
    this.#make(name).blobs.set(digest, { digest, sizeBytes: bytes.byteLength, path });
  }

  #get(name: string): Repository {
    const repository = this.#repositories.get(name);
    if (repository === undefined) throw unknown('NAME_UNKNOWN', `repository ${name}`);
    return repository;
  }

  #make(name: string): Repository {
    const made = this.#repositories.get(name) ?? {
      manifests: new Map(),
      tags: new Map(),
      blobs: new Map(),
    };
    this.#repositories.set(name, made);
    return made;
  }
}

class MemoryUpload implements BlobUpload {
  readonly id: string;
  readonly #chunks: Uint8Array[] = [];
  readonly #to: { store: (bytes: Uint8Array, digest: Digest) => void; end: (id: string) => void };

  constructor(
    id: string,
    to: { store: (bytes: Uint8Array, digest: Digest) => void; end: (id: string) => void },
  ) {
    this.id = id;
    this.#to = to;
  }

  get receivedBytes(): number {
    return this.#chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  async append(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of bytes) this.#chunks.push(chunk);
  }

  async commit(digest: Digest): Promise<void> {
    this.#to.end(this.id);
    const bytes = Buffer.concat(this.#chunks);
    const algorithm = digestAlgorithm(digest);
    const actual = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
    if (actual !== digest) {
      throw new SlipwayError('InvalidArgument', `the blob is ${actual}, not ${digest}`, {
        reason: 'DIGEST_INVALID',
      });
    }
    this.#to.store(bytes, digest);
  }

  async cancel(): Promise<void> {
    this.#to.end(this.id);
  }
}

/** A doorkeeper with passwords by name, and what each may do; `''` is who gives none. */
export function basicDoor(
  passwords: Readonly<Record<string, string>>,
  may: (name: string, action: RegistryAction, repository: string) => boolean,
): Doorkeeper {
  return {
    admit: async ({ authorization }) => {
      const given = Buffer.from(authorization?.replace(/^\w+ /, '') ?? '', 'base64').toString();
      const [name = '', password] = given.split(':');
      if (authorization !== undefined && passwords[name] !== password) {
        throw new SlipwayError('Unauthenticated', 'wrong name or password', { reason: 'UNAUTHORIZED' });
      }
      return {
        name: name || undefined,
        may: (action, repository) => may(name, action, repository),
        isAdmin: false,
      };
    },
    challenge: ({ host, repository, actions }) =>
      `Bearer realm="http://${host}/token"${repository === undefined ? '' : `,scope="repository:${repository}:${actions?.join(',')}"`}`,
  };
}

function parseOrRefuse({ bytes, mediaType }: NewManifest) {
  try {
    return parseManifestOrIndex(bytes, mediaType);
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', 'the manifest is not valid', {
      reason: 'MANIFEST_INVALID',
      cause,
    });
  }
}

function page(
  names: readonly string[],
  { after, limit }: { after?: string | undefined; limit?: number | undefined },
): readonly string[] {
  const sorted = names.filter((name) => after === undefined || name > after).sort();
  return limit === undefined ? sorted : sorted.slice(0, limit);
}

const unknown = (reason: string, what: string) =>
  new SlipwayError('NotFound', `${what}: not found`, { reason });
