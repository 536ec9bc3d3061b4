import type { Filters } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { FoundRepository } from '@slipway/distribution/client';
import type { RemoteImage } from './remote.ts';

/** A name in its registry, as `GET /distribution/{name}/json` shows it. */
export const toDistributionInspect = ({ descriptor, platforms }: RemoteImage) => ({
  Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
  Platforms: platforms,
});

/** A repository that was found, as `GET /images/search` shows it. */
export const toSearchResult = ({ name, description, isOfficial, starCount }: FoundRepository) => ({
  name,
  description,
  is_official: isOfficial,
  is_automated: false,
  star_count: starCount,
});

/** Those that docker's filters leave. @throws InvalidArgument for a filter's value */
export function selectFound(found: readonly FoundRepository[], filters: Filters): FoundRepository[] {
  const official = booleanFilter(filters, 'is-official');
  const automated = booleanFilter(filters, 'is-automated');
  const stars = Math.max(0, ...(filters.get('stars') ?? []).map(toStars));
  return found.filter(
    ({ isOfficial, starCount }) =>
      (official === undefined || official === isOfficial) && automated !== true && starCount >= stars,
  );
}

function booleanFilter(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name);
  if (values === undefined || values.length === 0) return undefined;
  const [value = ''] = values;
  if (/^(1|true)$/i.test(value)) return true;
  if (/^(0|false)$/i.test(value)) return false;
  throw new SlipwayError('InvalidArgument', `invalid filter '${name}=${value}': write true or false`);
}

function toStars(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new SlipwayError('InvalidArgument', `invalid filter 'stars=${text}': write a whole number`);
}
