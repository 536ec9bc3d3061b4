import { errorMessage, SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  type Digest,
  isIndexType,
  isManifestType,
  parseManifestOrIndex,
} from '@slipway/oci';

/** A manifest or index, as a repository looks at it. */
export interface ManifestDocument {
  readonly kind: 'manifest' | 'index';
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly config: Descriptor | undefined;
  /** What must be in the repository: configuration and layers, or an index's manifests. */
  readonly parts: readonly Descriptor[];
}

const MAX_BYTES = 4 << 20;

const refused = (message: string, options: { reason?: string; cause?: unknown } = {}) =>
  new SlipwayError('InvalidArgument', message, { reason: 'MANIFEST_INVALID', ...options });

/**
 * Reads what somebody wants to store. Any artifact goes: configurations and layers may have any type.
 * @throws InvalidArgument MANIFEST_INVALID (SIZE_INVALID where it is too large)
 * @see https://github.com/opencontainers/image-spec/blob/main/manifest.md
 */
export function readManifestDocument(bytes: Uint8Array, mediaType: string): ManifestDocument {
  if (bytes.byteLength > MAX_BYTES) {
    throw refused(`the manifest is ${bytes.byteLength} bytes large, more than the ${MAX_BYTES} allowed`, {
      reason: 'SIZE_INVALID',
    });
  }
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    throw refused(
      `media type ${JSON.stringify(mediaType.slice(0, 200))}: only OCI and docker schema 2 manifests and indexes can be stored`,
    );
  }
  const document = parse(bytes, mediaType);
  const content = document.kind === 'index' ? document.index : document.manifest;
  if (content.mediaType !== undefined && content.mediaType !== mediaType) {
    throw refused(`the manifest says that it is ${content.mediaType}, but it came as ${mediaType}`);
  }
  const config = document.kind === 'manifest' ? document.manifest.config : undefined;
  return {
    kind: document.kind,
    artifactType: content.artifactType || config?.mediaType,
    subject: content.subject?.digest,
    annotations: content.annotations,
    config,
    parts:
      document.kind === 'index'
        ? document.index.manifests
        : [document.manifest.config, ...document.manifest.layers].filter((part) => !isForeign(part)),
  };
}

/** A layer that stays where its URLs say. */
const isForeign = ({ mediaType, urls }: Descriptor) =>
  (urls?.length ?? 0) > 0 || /\.(?:nondistributable|foreign)\./.test(mediaType);

function parse(bytes: Uint8Array, mediaType: string): ReturnType<typeof parseManifestOrIndex> {
  try {
    return parseManifestOrIndex(bytes, mediaType);
  } catch (cause) {
    throw refused(errorMessage(cause), { cause });
  }
}
