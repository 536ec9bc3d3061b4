import { type Clock, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { Credentials } from '@slipway/distribution/client';
import { parseName } from '@slipway/distribution/server';
import type { Store } from '@slipway/store';
import type { BlobRecords } from './blob-records.ts';
import type { ContentRecords } from './content-records.ts';
import type { RepositoryRecord, RepositoryRecords } from './records.ts';

/** A registry whose repositories are served here too, fetched when they are asked for. */
export interface Upstream {
  /** Repositories below it (`hub` has `hub/library/debian`) are that registry's; `` is all. */
  readonly prefix: string;
  /** `https://registry-1.docker.io`. */
  readonly url: string;
  readonly credentials?: Credentials | undefined;
}

export interface RegistrySettings {
  readonly isReadOnly: boolean;
  /** For repositories that do not say otherwise. */
  readonly immutableTags: boolean;
  /** For repositories that do not say otherwise; undefined: none. */
  readonly defaultQuotaBytes: number | undefined;
  /** How often garbage is collected; 0: only when asked. */
  readonly gcIntervalMs: number;
  readonly upstreams: readonly Upstream[];
}

/** @throws InvalidArgument */
export function requireUpstream({ prefix, url }: Upstream): void {
  if (prefix !== '') parseName(prefix);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (/^https?:$/.test(parsed?.protocol ?? '') && url.replace(/\/$/, '') === parsed?.origin) return;
  throw new SlipwayError(
    'InvalidArgument',
    `upstream registry ${JSON.stringify(url)}: write https://HOST or https://HOST:PORT and nothing after it`,
  );
}

/** What the registry's verbs share. */
export interface RegistryContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: RegistrySettings;
  readonly repositories: RepositoryRecords;
  readonly contents: ContentRecords;
  readonly links: BlobRecords;
}

/** The upstream that the repository is a cache of. One that is here as our own is no cache, whatever its name. */
export function findUpstream(
  { settings, repositories }: RegistryContext,
  name: string,
): { readonly upstream: Upstream; readonly path: string } | undefined {
  if (settings.upstreams.length === 0) return undefined;
  let found: { upstream: Upstream; path: string } | undefined;
  for (const upstream of settings.upstreams) {
    const { prefix } = upstream;
    if (prefix !== '' && !name.startsWith(`${prefix}/`)) continue;
    if (found !== undefined && found.upstream.prefix.length >= prefix.length) continue;
    found = { upstream, path: prefix === '' ? name : name.slice(prefix.length + 1) };
  }
  const record = found === undefined ? undefined : repositories.find(name);
  return record !== undefined && record.upstream === undefined ? undefined : found;
}

/** @throws NotFound NAME_UNKNOWN */
export function getRepository({ repositories }: RegistryContext, name: string): RepositoryRecord {
  const record = repositories.find(name);
  if (record === undefined) throw nameUnknown(name);
  return record;
}

const nameUnknown = (name: string) =>
  new SlipwayError('NotFound', `repository ${name}: not found`, { reason: 'NAME_UNKNOWN' });

/** @throws PermissionDenied when the registry is read-only */
export function requireWritable({ settings }: RegistryContext): void {
  if (!settings.isReadOnly) return;
  throw new SlipwayError('PermissionDenied', 'the registry is read-only: it takes and removes nothing', {
    reason: 'DENIED',
  });
}

/** The repository to push into, made when it is not there. @throws PermissionDenied where nothing can be pushed */
export function pushRepository(context: RegistryContext, name: string): RepositoryRecord {
  requireWritable(context);
  const cached = findUpstream(context, name);
  if (cached !== undefined) {
    throw new SlipwayError(
      'PermissionDenied',
      `repository ${name} is a cache of ${cached.upstream.url}: push to that registry, or to another name`,
      { reason: 'DENIED' },
    );
  }
  // Worth nothing without the blob or manifest that follows.
  return context.contents.relaxed(() => context.repositories.ensure(name, context.clock.nowMs()));
}

/** The bytes that the repository may take beside what it has; Infinity without a quota. */
export function roomBytes({ contents, settings }: RegistryContext, repository: RepositoryRecord): number {
  const quota = quotaOf(settings, repository);
  return quota === undefined ? Number.POSITIVE_INFINITY : quota - contents.usage(repository.id).sizeBytes;
}

/** Undefined: none. */
export function quotaOf(settings: RegistrySettings, repository: RepositoryRecord): number | undefined {
  const quota = repository.quotaBytes ?? settings.defaultQuotaBytes;
  return quota === Number.POSITIVE_INFINITY ? undefined : quota;
}

export const quotaExceeded = ({ settings }: RegistryContext, repository: RepositoryRecord) =>
  new SlipwayError(
    'ResourceExhausted',
    `repository ${repository.name} would exceed its quota of ${quotaOf(settings, repository)} bytes: ` +
      'delete manifests and collect garbage, or raise the quota',
    { reason: 'DENIED' },
  );
