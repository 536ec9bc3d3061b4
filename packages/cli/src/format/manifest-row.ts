import type { Platform, RepositoryManifest } from '@slipway/client';
import type { Fields, ListLayout } from './list.ts';
import { formatAgo, formatSize, shortId } from './units.ts';

/** The table of a repository's manifests. */
export const MANIFEST_LAYOUT: ListLayout = {
  headings: {
    Tags: 'TAGS',
    Digest: 'DIGEST',
    Type: 'TYPE',
    MediaType: 'MEDIA TYPE',
    Platforms: 'PLATFORMS',
    Size: 'SIZE',
    Pushed: 'PUSHED',
    Pulled: 'LAST PULLED',
    Subject: 'SUBJECT',
  },
  columns: ['Tags', 'Digest', 'Type', 'Platforms', 'Size', 'Pushed', 'Pulled'],
};

/** A manifest's line. */
export function manifestRow(
  manifest: RepositoryManifest,
  { truncate, nowMs }: { truncate: boolean; nowMs: number },
): Fields {
  const id = (digest: string) => (truncate ? shortId(digest) : digest);
  return {
    Tags: () => manifest.tags.join(',') || '<none>',
    Digest: () => id(manifest.digest),
    Type: () => kindOf(manifest),
    MediaType: () => manifest.mediaType,
    Platforms: () => manifest.platforms.map(formatPlatform).join(','),
    Size: () => formatSize(manifest.sizeBytes),
    Pushed: () => formatAgo(manifest.pushedAtMs, nowMs),
    Pulled: () =>
      manifest.lastPulledAtMs === undefined ? 'never' : formatAgo(manifest.lastPulledAtMs, nowMs),
    Subject: () => (manifest.subject === undefined ? '' : id(manifest.subject)),
  };
}

/** `linux/arm64/v8` */
export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter(Boolean).join('/');

/** An artifact by its own type, as `application/spdx+json`. */
function kindOf({ mediaType, artifactType, platforms }: RepositoryManifest): string {
  if (artifactType !== undefined && platforms.length === 0) return artifactType;
  return /index|manifest\.list/.test(mediaType) ? 'index' : 'image';
}
