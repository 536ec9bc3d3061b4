import { SlipwayError } from '@slipway/base';
import type { Volume } from './volume.ts';

const KNOWN = new Set(['type', 'o', 'device', 'size']);

/**
 * @throws InvalidArgument in Docker's words for driver options that make no mount.
 * @see https://docs.docker.com/reference/cli/docker/volume/create/#driver-specific-options
 */
export function requireVolumeOptions(name: string, options: Readonly<Record<string, string>>): void {
  const refuse = (why: string): never => {
    throw new SlipwayError('InvalidArgument', `create ${name}: ${why}`);
  };
  for (const key of Object.keys(options)) if (!KNOWN.has(key)) refuse(`invalid option: "${key}"`);
  if (options.size !== undefined) refuse('quota size requested but no quota support');
  if (Object.keys(options).length === 0) return;
  for (const key of ['device', 'type']) {
    if (!options[key]) refuse(`missing required option: "${key}"`);
  }
}

/** A mount of a volume's own, as the container's runtime is to make it; undefined for a plain folder. */
export function ownMount(
  volume: Volume,
): { readonly type: string; readonly source: string; readonly options: readonly string[] } | undefined {
  const { type = '', o = '', device = '' } = volume.options;
  if (type === '') return undefined;
  const options = o.split(',').filter((word) => word !== '');
  const isBind = options.includes('bind') || options.includes('rbind');
  return { type: isBind ? 'bind' : type, source: device, options };
}
