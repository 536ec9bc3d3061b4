import { CACHE_PREFIX } from './cache.ts';
import type { RegistryContext } from './context.ts';
import type { RegistryCollection } from './registry.ts';
import type { Uploads } from './uploads.ts';

/** What a push under way may take between a blob and the manifest that names it. */
const DEFAULT_GRACE_MS = 60 * 60_000;
/** How long what was half sent or half fetched waits for the rest. */
const EXPIRY_MS = 24 * 60 * 60_000;
/** Ingests that nobody else expires: transfers' and the cache's. */
const EXPIRING = ['pull-', CACHE_PREFIX];

/**
 * Takes blobs that no manifest needs out of their repositories, expires uploads and transfers, and has the store drop what
 * nothing needs any more. Runs beside pushes and pulls: blobs that were pushed or looked at within the grace stay.
 */
export async function collectRegistry(
  { store, links, clock, logger }: RegistryContext,
  {
    uploads,
    collectStore,
    graceMs = DEFAULT_GRACE_MS,
  }: {
    uploads: Uploads;
    collectStore: () => Promise<{ readonly freedBytes: number }>;
    graceMs?: number | undefined;
  },
): Promise<RegistryCollection> {
  const nowMs = clock.nowMs();
  const removedBlobs = links.deleteUnneeded(nowMs - graceMs);
  const removedUploads = await uploads.expire(nowMs - EXPIRY_MS);
  for await (const { key, updatedAtMs } of store.content.listIngests()) {
    if (updatedAtMs >= nowMs - EXPIRY_MS || !EXPIRING.some((prefix) => key.startsWith(prefix))) continue;
    // One that is open is being written to after all.
    await store.content
      .deleteIngest(key)
      .catch((error: unknown) => logger.debug({ ingest: key, err: error }, 'an ingest stays'));
  }
  const { freedBytes } = await collectStore();
  return { removedBlobs, removedUploads, freedBytes };
}
