import type { Collected } from '@slipway/store';
import { CACHE_PREFIX } from './cache.ts';
import type { RegistryContext } from './context.ts';
import type { RegistryCollection } from './registry.ts';
import type { Uploads } from './uploads.ts';

/** What a push under way may take between a blob and the manifest that names it. */
const DEFAULT_GRACE_MS = 60 * 60_000;
/** How long what was half sent or half fetched waits for the rest. */
const DEFAULT_EXPIRY_MS = 24 * 60 * 60_000;
/** Ingests that nobody else expires: transfers' and the cache's. */
const EXPIRING = ['pull-', CACHE_PREFIX];

/**
 * Takes blobs that no manifest needs out of their repositories, expires uploads and transfers, and has the store drop what
 * nothing needs any more. Runs beside pushes and pulls: what was pushed, sent to or looked at within the grace stays.
 */
export async function collectRegistry(
  { store, links, clock, logger }: RegistryContext,
  {
    uploads,
    collectStore,
    graceMs,
  }: {
    uploads: Uploads;
    collectStore: () => Promise<Pick<Collected, 'blobs' | 'freedBytes'>>;
    /** For uploads and transfers too; by default they have a day. */
    graceMs?: number | undefined;
  },
): Promise<RegistryCollection> {
  const nowMs = clock.nowMs();
  const unusedSinceMs = nowMs - (graceMs ?? DEFAULT_GRACE_MS);
  const idleSinceMs = nowMs - (graceMs ?? DEFAULT_EXPIRY_MS);
  links.deleteUnneeded(unusedSinceMs);
  const removedUploads = await uploads.expire(idleSinceMs);
  await uploads.removeAbandoned(unusedSinceMs);
  for await (const { key, updatedAtMs } of store.content.listIngests()) {
    if (updatedAtMs >= idleSinceMs || !EXPIRING.some((prefix) => key.startsWith(prefix))) continue;
    // One that is open is being written to after all.
    await store.content
      .deleteIngest(key)
      .catch((error: unknown) => logger.debug({ ingest: key, err: error }, 'an ingest stays'));
  }
  const { blobs, freedBytes } = await collectStore();
  return { removedBlobs: blobs.length, removedUploads, freedBytes };
}
