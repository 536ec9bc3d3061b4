import { SlipwayError } from '@slipway/base';
import {
  computeDigest,
  type Descriptor,
  type Digest,
  digestHex,
  formatFamiliar,
  formatReference,
  MediaType,
  type Platform,
  type Reference,
} from '@slipway/oci';
import { type Store, type WritableItem, writeTar } from '@slipway/store';
import { DocumentBuffer, type ImageParts, needIndex, writeImages } from '../../images/index.ts';
import { packageUrl } from '../../transfer/index.ts';

export interface ArchiveOptions {
  /** `docker` has a manifest.json too, which `docker load` of any age reads. */
  readonly format: 'oci' | 'docker';
  readonly images: readonly ImageParts[];
  readonly references: readonly Reference[];
}

/**
 * What was built as an OCI image layout in an archive. The same build makes the same bytes.
 * @throws InvalidArgument for a docker-archive of several platforms, which it cannot hold
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export async function* exportArchive(
  { content }: Pick<Store, 'content'>,
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array> {
  const { images, references } = options;
  const [only] = images;
  const isIndex = needIndex(images);
  if (options.format === 'docker' && isIndex) {
    throw new SlipwayError(
      'InvalidArgument',
      'a docker-archive holds one image and nothing about it: use type=oci for several platforms or attestations',
    );
  }
  const documents = new DocumentBuffer();
  const top = await writeImages(documents, images, { name: references[0] && packageUrl(references[0]) });
  const small = documents.bytes;
  const layers = images.flatMap((image) => image.layers.map(({ digest }) => digest));
  const digests = [...new Set([...small.keys(), ...layers])].sort();
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
    const described = isIndex || only === undefined ? top : { ...top, platform: plain(only.platform) };
    yield document('index.json', {
      schemaVersion: 2,
      mediaType: MediaType.ociIndex,
      manifests: named(described, references),
    });
    if (options.format === 'docker' && only !== undefined) {
      yield document('manifest.json', [
        {
          Config: blobName(computeDigest(only.configBytes)),
          RepoTags: references.length === 0 ? null : references.map(formatFamiliar),
          Layers: only.layers.map(({ digest }) => blobName(digest)),
        },
      ]);
    }
    yield document('oci-layout', { imageLayoutVersion: '1.0.0' });
  }
  yield* writeTar(items());
}

const plain = ({ os, architecture, variant }: Platform): Descriptor['platform'] => ({
  os,
  architecture,
  ...(variant === undefined ? {} : { variant }),
});

function named(top: Descriptor, references: readonly Reference[]): Descriptor[] {
  if (references.length === 0) return [top];
  return references.map((reference) => ({
    ...top,
    annotations: {
      'io.containerd.image.name': formatReference(reference),
      ...(reference.tag === undefined ? {} : { 'org.opencontainers.image.ref.name': reference.tag }),
    },
  }));
}

const blobName = (digest: Digest): string => `blobs/sha256/${digestHex(digest)}`;

function document(name: string, value: unknown): WritableItem {
  const bytes = Buffer.from(JSON.stringify(value));
  return { entry: { name, sizeBytes: bytes.length }, body: [bytes] };
}
