import type { ContentRecords } from './content-records.ts';
import { quotaOf, type RegistryContext } from './context.ts';
import type { RepositoryRecord } from './records.ts';
import type { ManifestDescription, RepositoryDescription } from './registry.ts';

/** A repository as the catalogue shows it. */
export function describeRepository(
  { contents, settings }: RegistryContext,
  record: RepositoryRecord,
): RepositoryDescription {
  const { sizeBytes, manifests, tags } = contents.usage(record.id);
  return {
    name: record.name,
    createdAtMs: record.createdAtMs,
    immutableTags: record.immutableTags ?? settings.immutableTags,
    quotaBytes: quotaOf(settings, record),
    manifestCount: manifests,
    tagCount: tags,
    sizeBytes,
    upstream: record.upstream,
  };
}

/** A repository's manifests and indexes as the catalogue shows them, newest first. */
export function describeManifests(
  { contents }: { readonly contents: ContentRecords },
  { id }: RepositoryRecord,
): ManifestDescription[] {
  const tags = contents.tagsByDigest(id);
  const manifests = contents.manifestsByIndex(id);
  return contents.manifests(id).map((manifest) => ({
    digest: manifest.digest,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    tags: tags.get(manifest.digest) ?? [],
    sizeBytes: manifest.totalBytes,
    pushedAtMs: manifest.pushedAtMs,
    lastPulledAtMs: manifest.pulledAtMs,
    platforms: manifest.platforms,
    subject: manifest.subject,
    manifests: manifests.get(manifest.digest) ?? [],
  }));
}
