import { createHash } from 'node:crypto';
import { errorMessage, SlipwayError } from '@slipway/base';
import { type Digest, digestAlgorithm, MediaType } from '@slipway/oci';

/** Nesting that no manifest has; code that walks the document must not fall for it. */
const MAX_DEPTH = 100;

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
  const invalid = (why: string, cause?: unknown) =>
    new SlipwayError('InvalidArgument', `${place}: the manifest ${target} is not valid: ${why}`, {
      reason: 'MANIFEST_INVALID',
      cause,
    });
  if (isTooDeep(bytes)) throw invalid(`it is nested deeper than ${MAX_DEPTH}`);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`it is not JSON: ${errorMessage(cause)}`, cause);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw invalid('it is not a JSON object');
  }
  if ('schemaVersion' in document && document.schemaVersion === 1) throw schema1Error(place, target);
  const own = 'mediaType' in document ? document.mediaType : undefined;
  if (own !== undefined && typeof own !== 'string') throw invalid('its mediaType is not a text');
  if (!isSpecific(contentType)) return own || inferType(document);
  if (own !== undefined && own !== '' && own.toLowerCase() !== contentType) {
    throw invalid(`the registry calls it ${contentType}, but the document says that it is ${own}`);
  }
  return contentType;
}

/** OCI's documents need not name their type. */
const inferType = (document: object): string =>
  'manifests' in document ? MediaType.ociIndex : MediaType.ociManifest;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Whether JSON is nested deeper than is read here, found without parsing it. */
export function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (OPENING.has(byte)) {
      depth++;
      if (depth > MAX_DEPTH) return true;
    } else if (CLOSING.has(byte)) depth--;
  }
  return false;
}
