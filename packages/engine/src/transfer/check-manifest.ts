import { isSlipwayError, SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  formatPlatform,
  type ImageConfig,
  isConfigType,
  isLayerType,
  type Manifest,
  type Platform,
} from '@slipway/oci';
import { servesPlatform } from './choose-platform.ts';

/** More than any builder makes; overlayfs itself ends at 500. */
const LAYERS_MAX = 512;
export const CONFIG_MAX_BYTES = 8 * 1024 * 1024;
/** What docker wrote when schema 2 was new. */
const OLD_CONFIG_TYPE = 'application/octet-stream';
const LAYER_MAX_BYTES = 1024 ** 4;

/**
 * Refuses what is no container image, or one that cannot be stored here, before anything of it is fetched.
 * @throws InvalidArgument, NotImplemented; both say what of the manifest it is
 */
export function requireImage(manifest: Manifest, name: string): void {
  const { config, layers } = manifest;
  if (!isConfigType(config.mediaType) && config.mediaType !== OLD_CONFIG_TYPE) {
    throw new SlipwayError(
      'InvalidArgument',
      `${name} is no container image: its configuration is ${config.mediaType}${
        manifest.artifactType === undefined ? '' : `, its artifact type ${manifest.artifactType}`
      }; tools for such artifacts, as oras, can fetch it`,
    );
  }
  if (config.size > CONFIG_MAX_BYTES) {
    throw new SlipwayError(
      'InvalidArgument',
      `the configuration of ${name} is ${config.size} bytes large, more than the ${CONFIG_MAX_BYTES} allowed`,
    );
  }
  if (layers.length > LAYERS_MAX) {
    throw new SlipwayError(
      'InvalidArgument',
      `${name} has ${layers.length} layers, more than the ${LAYERS_MAX} allowed`,
    );
  }
  requireSha256(config, name);
  for (const layer of layers) requireLayer(layer, name);
}

/** Whether it is the image that cannot be used, as it is and would be the next time, not the registry that failed. */
export const isImageWrong = (error: unknown): error is SlipwayError =>
  isSlipwayError(error, 'InvalidArgument', 'DataLoss') && !/^(?:registry|mirror) /.test(error.message);

/** Says of which image a document or a layer is that cannot be used, where the error does not. */
export function ofImage(error: unknown, name: string): unknown {
  if (!isImageWrong(error) || error.message.includes(name)) return error;
  return new SlipwayError(error.code, `${name} cannot be used: ${error.message}`, {
    cause: error,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  });
}

function requireLayer(layer: Descriptor, name: string): void {
  if (/foreign|nondistributable/.test(layer.mediaType)) {
    throw new SlipwayError(
      'NotImplemented',
      `layer ${layer.digest} of ${name} is ${layer.mediaType}, which registries do not hold: such images, of Windows, cannot be pulled`,
    );
  }
  if (!isLayerType(layer.mediaType)) {
    throw new SlipwayError(
      'InvalidArgument',
      `layer ${layer.digest} of ${name} has the unknown media type ${layer.mediaType}`,
    );
  }
  if (layer.size > LAYER_MAX_BYTES) {
    throw new SlipwayError(
      'InvalidArgument',
      `layer ${layer.digest} of ${name} is said to be ${layer.size} bytes large, which cannot be`,
    );
  }
  requireSha256(layer, name);
}

function requireSha256({ digest }: Descriptor, name: string): void {
  if (digest.startsWith('sha256:')) return;
  throw new SlipwayError('NotImplemented', `${name} names ${digest}: only sha256 digests can be stored`);
}

/**
 * The configuration must have a diffID for each layer, and be for what was asked for.
 * @throws InvalidArgument; NotFound for another platform, in docker's words
 */
export function requireConfig(
  document: ImageConfig,
  { layers }: Manifest,
  { name, platform }: { name: string; platform: Platform | undefined },
): void {
  const diffIds = document.rootfs.diff_ids;
  if (diffIds.length !== layers.length) {
    throw new SlipwayError(
      'InvalidArgument',
      `${name} has ${layers.length} layers, and its configuration ${diffIds.length} diffIDs: it is damaged`,
    );
  }
  if (document.os !== 'linux') {
    throw new SlipwayError(
      'InvalidArgument',
      `image operating system "${document.os}" cannot be used on this platform`,
    );
  }
  const { os, architecture, variant } = document;
  if (platform !== undefined && !servesPlatform({ os, architecture, variant }, platform)) {
    throw new SlipwayError(
      'NotFound',
      `image with reference ${name} was found but does not match the specified platform: wanted ${formatPlatform(platform)}, actual: ${formatPlatform({ os, architecture, variant })}`,
    );
  }
}
