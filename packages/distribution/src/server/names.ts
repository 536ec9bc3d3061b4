import { SlipwayError } from '@slipway/base';
import { type Digest, parseDigest } from '@slipway/oci';

/** What a path below `/v2/` is about. `uploads` has the upload's id, or nothing to start one. */
export type ResourceKind = 'manifests' | 'blobs' | 'uploads' | 'tags' | 'referrers';

/** A path below `/v2/`, taken apart; its name is well-formed. */
export interface Target {
  readonly kind: ResourceKind;
  readonly repository: string;
  /** A tag, a digest, an upload's id; `list` of tags. Not checked yet. */
  readonly reference: string;
}

const PREFIX = '/v2/';
const NAME_MAX_LENGTH = 255;
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const UPLOAD_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * Takes a path apart from its end, as names may hold `blobs`, `manifests` and so on themselves; undefined when it is no
 * path of a registry.
 * @throws InvalidArgument NAME_INVALID
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
 */
export function parseTarget(encodedPath: string): Target | undefined {
  const path = encodedPath.includes('%') ? decodePath(encodedPath) : encodedPath;
  const end = path.lastIndexOf('/');
  const start = path.lastIndexOf('/', end - 1);
  if (start < PREFIX.length) return undefined;
  const name = path.slice(PREFIX.length, start);
  const word = path.slice(start + 1, end);
  const reference = path.slice(end + 1);
  switch (word) {
    case 'blobs':
      // `blobs/uploads` without the slash at its end.
      if (reference === 'uploads') return { kind: 'uploads', repository: parseName(name), reference: '' };
      break;
    case 'manifests':
    case 'referrers':
      break;
    case 'tags':
      if (reference !== 'list') return undefined;
      break;
    case 'uploads':
      if (!name.endsWith('/blobs')) return undefined;
      return { kind: 'uploads', repository: parseName(name.slice(0, -'/blobs'.length)), reference };
    default:
      return undefined;
  }
  return reference === '' ? undefined : { kind: word, repository: parseName(name), reference };
}

/**
 * A repository's name.
 * @throws InvalidArgument NAME_INVALID
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
export function parseName(name: string): string {
  if (name.length <= NAME_MAX_LENGTH && NAME.test(name)) return name;
  throw new SlipwayError(
    'InvalidArgument',
    `repository name ${quote(name)} is not valid: write components of a-z 0-9, joined by single . or _, __ or -, with / between them, ${NAME_MAX_LENGTH} characters at most`,
    { reason: 'NAME_INVALID' },
  );
}

/** @throws InvalidArgument TAG_INVALID */
export function parseTag(tag: string): string {
  if (TAG.test(tag)) return tag;
  throw new SlipwayError(
    'InvalidArgument',
    `tag ${quote(tag)} is not valid: write 1 to 128 of A-Z a-z 0-9 . _ -, and neither . nor - first`,
    { reason: 'TAG_INVALID' },
  );
}

/** @throws InvalidArgument DIGEST_INVALID */
export function parseDigestReference(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new SlipwayError(
      'InvalidArgument',
      `digest ${quote(text)} is not valid: write sha256: and 64 hex digits, or sha512: and 128`,
      { reason: 'DIGEST_INVALID', cause },
    );
  }
}

/** A tag or a digest, told apart by the colon that only a digest has. @throws InvalidArgument TAG_INVALID, DIGEST_INVALID */
export const parseTagOrDigest = (text: string): string =>
  isDigestReference(text) ? parseDigestReference(text) : parseTag(text);

/** Whether a reference that was checked is a digest. */
export const isDigestReference = (reference: string): reference is Digest => reference.includes(':');

/** @throws NotFound BLOB_UPLOAD_UNKNOWN, as there cannot be such an upload */
export function parseUploadId(id: string): string {
  if (UPLOAD_ID.test(id)) return id;
  throw new SlipwayError(
    'NotFound',
    `upload ${quote(id)}: there is none; start one with POST to blobs/uploads/`,
    { reason: 'BLOB_UPLOAD_UNKNOWN' },
  );
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new SlipwayError(
      'InvalidArgument',
      `path ${quote(path)} is not valid: its percent-encoding is broken`,
      {
        reason: 'NAME_INVALID',
        cause,
      },
    );
  }
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 300));
