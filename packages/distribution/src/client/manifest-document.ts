import { createHash } from 'node:crypto';
import { errorMessage, SlipwayError } from '@slipway/base';
import { type Digest, digestAlgorithm, MediaType, parseJsonObject } from '@slipway/oci';

const GENERIC_TYPES: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/octet-stream',
  'binary/octet-stream',
  'text/plain',
]);

/** Whether a content type tells what a manifest is. */
export const isSpecific = (contentType: string): boolean => !GENERIC_TYPES.has(contentType);

/** Docker's manifests before 2016. */
export const isSchema1 = (mediaType: string): boolean =>
  /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/.test(mediaType);

export const schema1Error = (place: string, target: string): SlipwayError =>
  new SlipwayError(
    'NotImplemented',
    `${place}: ${target} is a Docker schema 1 manifest, a format given up in 2016 that is not supported: ` +
      'pull it with an old docker and push it again with a newer one',
    { reason: 'MANIFEST_SCHEMA1' },
  );

/** The digest of some bytes by the algorithm that another digest has. */
export function digestOf(bytes: Uint8Array, like: Digest): Digest {
  const algorithm = digestAlgorithm(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/**
 * Checks that the bytes are a JSON object of reasonable depth, and finds the media type that the content type and the
 * document agree on.
 * @throws InvalidArgument
 */
export function inspectManifest(bytes: Buffer, contentType: string, place: string, target: string): string {
  const refused = (why: string, cause?: unknown) =>
    new SlipwayError('InvalidArgument', `${place}: ${target}: ${why}`, { reason: 'MANIFEST_INVALID', cause });
  const document = readObject(bytes, refused);
  if (document['schemaVersion'] === 1) throw schema1Error(place, target);
  const own = document['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw refused("the manifest's mediaType is not a text");
  if (!isSpecific(contentType)) return own || inferType(document);
  if (own !== undefined && own !== '' && own.toLowerCase() !== contentType) {
    throw refused(`the registry calls the manifest ${contentType}, but it says itself that it is ${own}`);
  }
  return contentType;
}

function readObject(bytes: Uint8Array, refused: (why: string, cause: unknown) => SlipwayError) {
  try {
    return parseJsonObject(bytes, 'manifest');
  } catch (cause) {
    throw refused(errorMessage(cause), cause);
  }
}

/** OCI's documents need not name their type. */
const inferType = (document: object): string =>
  'manifests' in document ? MediaType.ociIndex : MediaType.ociManifest;
