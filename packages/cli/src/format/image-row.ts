import { formatDuration } from '@slipway/api/docker/duration';
import type { ImageSummary } from '@slipway/client';
import type { Fields, ListLayout } from './list.ts';
import { formatGoTime, formatSize, shortId } from './units.ts';

/** The table of `images`. */
export const imageLayout = (digests: boolean): ListLayout => ({
  headings: {
    Repository: 'REPOSITORY',
    Tag: 'TAG',
    Digest: 'DIGEST',
    ID: 'IMAGE ID',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    Size: 'SIZE',
    SharedSize: 'SHARED SIZE',
    UniqueSize: 'UNIQUE SIZE',
    VirtualSize: 'SIZE',
    Containers: 'CONTAINERS',
  },
  columns: ['Repository', 'Tag', ...(digests ? ['Digest'] : []), 'ID', 'CreatedSince', 'Size'],
});

/** A line for each of the image's names; one with `<none>` when it has none. */
export function imageRows(
  image: ImageSummary,
  { truncate, digests, nowMs }: { truncate: boolean; digests: boolean; nowMs: number },
): Fields[] {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
  const byDigest = (image.RepoDigests ?? []).filter((name) => name !== '<none>@<none>');
  const digestOf = (repository: string) =>
    byDigest.find((name) => name.startsWith(`${repository}@`))?.split('@')[1] ?? '<none>';
  const named: { repository: string; tag: string; digest: string }[] = tags.map((name) => {
    const colon = name.lastIndexOf(':');
    const repository = name.slice(0, colon);
    return { repository, tag: name.slice(colon + 1), digest: digestOf(repository) };
  });
  if (named.length === 0 && byDigest.length > 0) {
    for (const name of digests ? byDigest : byDigest.slice(0, 1)) {
      const [repository = '<none>', digest = '<none>'] = name.split('@');
      named.push({ repository, tag: '<none>', digest });
    }
  }
  if (named.length === 0) named.push({ repository: '<none>', tag: '<none>', digest: '<none>' });
  const size = (bytes: number) => (bytes < 0 ? 'N/A' : formatSize(bytes));
  return named.map(({ repository, tag, digest }) => ({
    Repository: () => repository,
    Tag: () => tag,
    Digest: () => digest,
    ID: () => (truncate ? shortId(image.Id) : image.Id),
    // Docker's history says N/A of the epoch, its images how long ago it was.
    CreatedSince: () => `${formatDuration(nowMs - image.Created * 1000)} ago`,
    CreatedAt: () => formatGoTime(image.Created * 1000),
    Size: () => formatSize(image.Size),
    VirtualSize: () => formatSize(image.Size),
    SharedSize: () => size(image.SharedSize),
    UniqueSize: () => (image.SharedSize < 0 ? 'N/A' : formatSize(image.Size - image.SharedSize)),
    Containers: () => (image.Containers < 0 ? 'N/A' : String(image.Containers)),
  }));
}
