import { SlipwayError } from '@slipway/base';
import { z } from 'zod';
import { type Digest, isDigest } from './digest.ts';
import { checkAgainst, parseJson, parseJsonObject } from './json.ts';
import { isIndexType } from './media-types.ts';
import { platformSchema } from './platform.ts';
import { optional, stringMap } from './schema.ts';

export const digestSchema = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'is not a digest',
);

/** @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
const descriptorSchema = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.number().int().nonnegative(),
  urls: optional(z.array(z.string())),
  annotations: optional(stringMap),
  artifactType: optional(z.string()),
  platform: optional(platformSchema),
});

/** What names a blob: its type, digest and size in bytes. */
export type Descriptor = z.infer<typeof descriptorSchema>;

/** @see https://github.com/opencontainers/image-spec/blob/main/manifest.md */
const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: optional(z.string()),
  artifactType: optional(z.string()),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  subject: optional(descriptorSchema),
  annotations: optional(stringMap),
});

/** An image for one platform: its configuration and layers, bottom to top. */
export type Manifest = z.infer<typeof manifestSchema>;

/** @see https://github.com/opencontainers/image-spec/blob/main/image-index.md */
const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: optional(z.string()),
  artifactType: optional(z.string()),
  manifests: z.array(descriptorSchema),
  subject: optional(descriptorSchema),
  annotations: optional(stringMap),
});

/** The manifests of one image for several platforms. */
export type ImageIndex = z.infer<typeof indexSchema>;

/** @throws InvalidArgument */
export const parseManifest = (bytes: Uint8Array): Manifest => parseJson(bytes, manifestSchema, 'manifest');

/** @throws InvalidArgument */
export const parseIndex = (bytes: Uint8Array): ImageIndex => parseJson(bytes, indexSchema, 'image index');

/** A manifest or an index, told apart by media type and by what the document has. @throws InvalidArgument */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  mediaType?: string,
): { kind: 'manifest'; manifest: Manifest } | { kind: 'index'; index: ImageIndex } {
  const document = parseJsonObject(bytes, 'manifest');
  const isIndexShaped = Object.hasOwn(document, 'manifests');
  // A document that is both could be read in two ways by two clients.
  if (isIndexShaped && Object.hasOwn(document, 'layers')) {
    throw new SlipwayError(
      'InvalidArgument',
      'a manifest has both layers and manifests: it must be one or the other',
    );
  }
  const type = mediaType ?? document['mediaType'];
  return isIndexShaped || (typeof type === 'string' && isIndexType(type))
    ? { kind: 'index', index: checkAgainst(document, indexSchema, 'image index') }
    : { kind: 'manifest', manifest: checkAgainst(document, manifestSchema, 'manifest') };
}
