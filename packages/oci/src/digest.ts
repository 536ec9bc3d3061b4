import { createHash } from 'node:crypto';
import { type Brand, SlipwayError } from '@slipway/base';

/** `algorithm:hex` of some content, e.g. `sha256:e3b0…`. */
export type Digest = Brand<'Digest'>;
/** The digest of a layer's uncompressed tar. */
export type DiffId = Digest & Brand<'DiffId'>;
/** The digest that names a stack of layers, bottom to top. */
export type ChainId = Digest & Brand<'ChainId'>;
/** The digest of an image's configuration, which names the image as Docker does. */
export type ImageId = Digest & Brand<'ImageId'>;

/** The algorithms of the registered digests, by the length of their hex. */
const HEX_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/**
 * Checks a digest's form, algorithm and length, with the wording of opencontainers/go-digest.
 * @throws InvalidArgument
 * @see https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 */
export function parseDigest(text: string): Digest {
  if (!DIGEST.test(text)) throw new SlipwayError('InvalidArgument', 'invalid checksum digest format');
  const separator = text.indexOf(':');
  const hexLength = HEX_LENGTHS[text.slice(0, separator)];
  if (hexLength === undefined) throw new SlipwayError('InvalidArgument', 'unsupported digest algorithm');
  const encoded = text.slice(separator + 1);
  if (encoded.length !== hexLength)
    throw new SlipwayError('InvalidArgument', 'invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(encoded)) {
    throw new SlipwayError('InvalidArgument', 'invalid checksum digest format');
  }
  return text as Digest;
}

/** Whether `text` is a digest that `parseDigest` takes. */
export function isDigest(text: string): text is Digest {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

/** The sha256 digest that has this hex. */
export const formatDigest = (sha256Hex: string): Digest => `sha256:${sha256Hex}` as Digest;

/** The sha256 digest of some bytes. */
export const computeDigest = (bytes: Uint8Array | string): Digest =>
  formatDigest(createHash('sha256').update(bytes).digest('hex'));

/** `sha256` of `sha256:e3b0…`. */
export const digestAlgorithm = (digest: Digest): string => digest.slice(0, digest.indexOf(':'));

/** `e3b0…` of `sha256:e3b0…`. */
export const digestHex = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1);
