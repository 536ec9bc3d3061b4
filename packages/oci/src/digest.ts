import type { Brand } from '@slipway/base';

/** `algorithm:hex` of some content, e.g. `sha256:e3b0…`. */
export type Digest = Brand<'Digest'>;
/** The digest of a layer's uncompressed tar. */
export type DiffId = Digest & Brand<'DiffId'>;
/** The digest that names a stack of layers, bottom to top. */
export type ChainId = Digest & Brand<'ChainId'>;
/** The digest of an image's configuration, which names the image as Docker does. */
export type ImageId = Digest & Brand<'ImageId'>;
