import { computeDigest, type Descriptor, type Digest, MediaType, type Platform } from '@slipway/oci';

/** What is said about an image beside it: where it comes from, what is in it. */
export interface ImageStatement {
  /** `https://slsa.dev/provenance/v0.2`. */
  readonly predicateType: string;
  readonly predicate: unknown;
}

/** An image before its documents are written. */
export interface ImageParts {
  readonly configBytes: Buffer;
  /** As the manifest will name them. */
  readonly layers: readonly Descriptor[];
  readonly platform: Platform;
  readonly statements: readonly ImageStatement[];
  /** It stands in an index also where it is alone and nothing is said about it. */
  readonly isPartOfIndex?: boolean | undefined;
}

/** Whether images are written as an index; one alone of which nothing is said is a manifest. */
export const needIndex = (images: readonly Pick<ImageParts, 'statements' | 'isPartOfIndex'>[]): boolean =>
  images.length > 1 || images.some(({ statements, isPartOfIndex }) => isPartOfIndex || statements.length > 0);

/** Takes documents and the blobs that they name, wherever they are to be. */
export interface DocumentSink {
  blob(bytes: Buffer, mediaType: string): Promise<Descriptor>;
  /** A manifest or index, with a tag the one that it means. */
  document(bytes: Buffer, mediaType: string, tag?: string): Promise<Descriptor>;
}

export const IN_TOTO_TYPE = 'application/vnd.in-toto+json';
/** Says of a statement's blob what it is. */
export const PREDICATE_TYPE = 'in-toto.io/predicate-type';
/** Say of a manifest in an index that it is about another one, and which. */
export const REFERENCE_TYPE = 'vnd.docker.reference.type';
export const REFERENCE_DIGEST = 'vnd.docker.reference.digest';
export const ATTESTATION = 'attestation-manifest';

const UNKNOWN = { architecture: 'unknown', os: 'unknown' };

/**
 * Writes images as one: a manifest, or, where there are several or statements about one, an index of manifests in which the
 * statements about an image stand behind all images.
 * @param name what the statements call the images, a package URL without a platform
 * @returns what stands for all of it
 * @see https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
 */
export async function writeImages(
  sink: DocumentSink,
  images: readonly ImageParts[],
  { name, tag }: { readonly name: string | undefined; readonly tag?: string | undefined },
): Promise<Descriptor> {
  const [only] = images;
  if (only !== undefined && !needIndex(images)) {
    return await writeManifest(sink, only, tag);
  }
  const manifests: Descriptor[] = [];
  const attestations: Descriptor[] = [];
  for (const image of images) {
    const manifest = await writeManifest(sink, image);
    const { os, architecture, variant } = image.platform;
    manifests.push({
      ...manifest,
      platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
    });
    if (image.statements.length > 0) attestations.push(await writeStatements(sink, image, manifest, name));
  }
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [...manifests, ...attestations],
  };
  return await sink.document(Buffer.from(JSON.stringify(index)), MediaType.ociIndex, tag);
}

async function writeManifest(
  sink: DocumentSink,
  { configBytes, layers }: ImageParts,
  tag?: string,
): Promise<Descriptor> {
  const config = await sink.blob(configBytes, MediaType.ociConfig);
  return await sink.document(manifestBytes(config, layers), MediaType.ociManifest, tag);
}

/** A manifest's bytes: the same ones for the same image, wherever it is made. */
export function manifestBytes(
  { mediaType, digest, size }: Descriptor,
  layers: readonly Descriptor[],
): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType, digest, size },
    layers: layers.map((layer) => ({ mediaType: layer.mediaType, digest: layer.digest, size: layer.size })),
  };
  return Buffer.from(JSON.stringify(manifest));
}

async function writeStatements(
  sink: DocumentSink,
  { statements, platform }: ImageParts,
  manifest: Descriptor,
  name: string | undefined,
): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  for (const { predicateType, predicate } of statements) {
    const statement = {
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType,
      subject: subjectOf(manifest, platform, name),
      predicate,
    };
    const blob = await sink.blob(Buffer.from(JSON.stringify(statement)), IN_TOTO_TYPE);
    layers.push({ ...blob, annotations: { [PREDICATE_TYPE]: predicateType } });
  }
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const configBytes = Buffer.from(JSON.stringify({ ...UNKNOWN, config: {}, rootfs }));
  const config = await sink.blob(configBytes, MediaType.ociConfig);
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers }),
  );
  return {
    ...(await sink.document(bytes, MediaType.ociManifest)),
    annotations: { [REFERENCE_DIGEST]: manifest.digest, [REFERENCE_TYPE]: ATTESTATION },
    platform: UNKNOWN,
  };
}

function subjectOf({ digest }: Descriptor, platform: Platform, name: string | undefined): object[] {
  const [algorithm = '', hex] = digest.split(':');
  const { os, architecture, variant } = platform;
  const text = [os, architecture, variant].filter(Boolean).join('/');
  const named = name === undefined ? '_' : `${name}?platform=${encodeURIComponent(text)}`;
  return [{ name: named, digest: { [algorithm]: hex } }];
}

/** Keeps the small documents in memory. */
export class DocumentBuffer implements DocumentSink {
  readonly bytes = new Map<Digest, Buffer>();

  async blob(bytes: Buffer, mediaType: string): Promise<Descriptor> {
    const digest = computeDigest(bytes);
    this.bytes.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  document(bytes: Buffer, mediaType: string): Promise<Descriptor> {
    return this.blob(bytes, mediaType);
  }
}
