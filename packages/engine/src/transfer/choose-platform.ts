import { SlipwayError } from '@slipway/base';
import {
  type Descriptor,
  formatPlatform,
  hostPlatform,
  type ImageIndex,
  matchesPlatform,
  normalizePlatform,
  type Platform,
} from '@slipway/oci';

/**
 * The manifest of an index that is for `wanted`, or for this machine when nothing is asked for. Where there is none of
 * just that variant, an older one serves: what was made for arm/v6 runs on arm/v7.
 * @throws NotFound in docker's words
 */
export function choosePlatform(index: ImageIndex, wanted: Platform | undefined, name: string): Descriptor {
  const images = index.manifests.filter(({ platform }) => platform?.os !== 'unknown');
  for (const candidate of fallbacks(wanted ?? hostPlatform())) {
    const found = images.find(({ platform }) => platform !== undefined && offers(platform, candidate));
    if (found !== undefined) return found;
  }
  // An index of one image that does not say what it is for: the image's configuration tells.
  const [only] = images;
  if (images.length === 1 && only !== undefined && !only.platform) return only;
  const offered = images.flatMap(({ platform }) => (platform ? [formatPlatform(plain(platform))] : []));
  throw new SlipwayError(
    'NotFound',
    `no matching manifest for ${formatPlatform(wanted ?? hostPlatform())} in the manifest list entries: ${name} is for ${
      offered.length === 0 ? 'no platform' : [...new Set(offered)].join(', ')
    }`,
    { reason: 'NO_MATCHING_PLATFORM' },
  );
}

/** Whether an image of this platform is what is asked for: by `wanted`, or by this machine. */
export const servesPlatform = (offered: Platform, wanted: Platform | undefined): boolean =>
  fallbacks(wanted ?? hostPlatform()).some((candidate) => matchesPlatform(candidate, offered));

const offers = (platform: NonNullable<Descriptor['platform']>, candidate: Platform): boolean =>
  matchesPlatform(candidate, plain(platform));

const plain = ({ os, architecture, variant }: NonNullable<Descriptor['platform']>): Platform => ({
  os,
  architecture,
  variant: variant ?? undefined,
});

/** What runs on a platform, best first. */
function fallbacks(platform: Platform): Platform[] {
  const { os, architecture, variant } = normalizePlatform(platform);
  const level = Number(/^v(\d+)$/.exec(variant ?? '')?.[1] ?? 0);
  const variants = (lowest: number): (string | undefined)[] =>
    Array.from({ length: Math.max(0, level - lowest + 1) }, (_, step) => `v${level - step}`);
  switch (architecture) {
    case 'arm':
      return variants(5).map((older) => ({ os, architecture, variant: older }));
    case 'amd64':
      return [...variants(2), undefined].map((older) => ({ os, architecture, variant: older }));
    case 'arm64':
      return [...variants(9), undefined].map((older) => ({ os, architecture, variant: older }));
    default:
      return [{ os, architecture, variant }];
  }
}
