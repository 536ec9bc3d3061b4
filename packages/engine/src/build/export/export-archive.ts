import type { BuildResult, DockerfilePlan } from '@slipway/build';
import {
  computeDigest,
  type Descriptor,
  type Digest,
  digestHex,
  formatFamiliar,
  formatReference,
  MediaType,
  type Reference,
} from '@slipway/oci';
import { type Store, type WritableItem, writeTar } from '@slipway/store';

export interface ArchiveOptions {
  /** `docker` has a manifest.json too, which `docker load` of any age reads. */
  readonly format: 'oci' | 'docker';
  readonly configBytes: Buffer;
  readonly layers: BuildResult['layers'];
  readonly plan: Pick<DockerfilePlan, 'platform'>;
  readonly references: readonly Reference[];
}

/**
 * What was built as an OCI image layout in an archive. The same build makes the same bytes.
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export function exportArchive(
  { content }: Pick<Store, 'content'>,
  options: ArchiveOptions,
): AsyncIterable<Uint8Array> {
  const { configBytes, layers, references } = options;
  const config = { mediaType: MediaType.ociConfig, ...described(configBytes) };
  const manifestBytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config,
      layers: layers.map(({ blob: { mediaType, digest, size } }) => ({ mediaType, digest, size })),
    }),
  );
  const manifest = { mediaType: MediaType.ociManifest, ...described(manifestBytes) };
  const small = new Map<Digest, Buffer>([
    [config.digest, configBytes],
    [manifest.digest, manifestBytes],
  ]);
  const digests = [...new Set([...small.keys(), ...layers.map(({ blob }) => blob.digest)])].sort();
  async function* items(): AsyncGenerator<WritableItem> {
    yield { entry: { name: 'blobs/', type: 'directory' } };
    yield { entry: { name: 'blobs/sha256/', type: 'directory' } };
    for (const digest of digests) {
      const bytes = small.get(digest);
      const sizeBytes = bytes?.length ?? (await content.info(digest)).sizeBytes;
      yield {
        entry: { name: blobName(digest), sizeBytes },
        body: bytes === undefined ? content.open(digest) : [bytes],
      };
    }
    yield document('index.json', {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: named(manifest, options),
    });
    if (options.format === 'docker') {
      yield document('manifest.json', [
        {
          Config: blobName(config.digest),
          RepoTags: references.length === 0 ? null : references.map(formatFamiliar),
          Layers: layers.map(({ blob }) => blobName(blob.digest)),
        },
      ]);
    }
    yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
  }
  return writeTar(items());
}

function named(manifest: Descriptor, { references, plan }: ArchiveOptions): Descriptor[] {
  const { os, architecture, variant } = plan.platform;
  const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (references.length === 0) return [{ ...manifest, platform }];
  return references.map((reference) => ({
    ...manifest,
    platform,
    annotations: {
      'io.containerd.image.name': formatReference(reference),
      ...(reference.tag === undefined ? {} : { 'org.opencontainers.image.ref.name': reference.tag }),
    },
  }));
}

const described = (bytes: Buffer): { digest: Digest; size: number } => ({
  digest: computeDigest(bytes),
  size: bytes.length,
});

const blobName = (digest: Digest): string => `blobs/sha256/${digestHex(digest)}`;

function document(name: string, value: unknown): WritableItem {
  const bytes = Buffer.from(JSON.stringify(value));
  return { entry: { name, sizeBytes: bytes.length }, body: [bytes] };
}
