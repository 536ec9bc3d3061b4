import type { SolverContext } from '../solve/context.ts';
import type { CacheRecord, Solver } from '../solver.ts';

/** What the cache has: the results of steps, what steps that failed left, and folders. */
export async function listCache({
  records,
  folders,
  failedSteps,
  inUse,
}: SolverContext): Promise<CacheRecord[]> {
  const layerUsers = new Map<string, number>();
  const results = records.listResults();
  for (const { layers } of results) {
    const top = layers.at(-1)?.chainId ?? '';
    layerUsers.set(top, (layerUsers.get(top) ?? 0) + 1);
  }
  const listed = results.map((result): CacheRecord => {
    const { layers: _, ...rest } = result;
    return { ...rest, type: 'regular', inUse: inUse.has(result.id), shared: false };
  });
  for (const { id, title, failedAtMs, sizeBytes, isOpen } of await failedSteps.list()) {
    listed.push({
      id,
      parents: [],
      type: 'internal',
      description: `failed: ${title}`,
      inUse: isOpen,
      shared: false,
      sizeBytes,
      createdAtMs: failedAtMs,
      lastUsedAtMs: undefined,
      usageCount: 0,
    });
  }
  for (const folder of records.listFolders()) {
    listed.push({
      ...folder,
      parents: [],
      inUse: folders.isHeld(folder.id),
      shared: false,
      sizeBytes: await folders.sizeBytes(folder.id),
    });
  }
  return listed;
}

/**
 * Removes what the options name and no build uses, used last longest ago first. With a result goes what stands on it, for
 * nothing could find that any more but by content; layers go with the next garbage collection.
 */
export async function pruneCache(
  context: SolverContext,
  options: Parameters<Solver['prune']>[0],
): ReturnType<Solver['prune']> {
  const { records, folders, failedSteps, clock } = context;
  const now = clock.nowMs();
  const listed = await listCache(context);
  const lastUse = ({ lastUsedAtMs, createdAtMs }: CacheRecord) => lastUsedAtMs ?? createdAtMs;
  const removable = listed
    .filter(({ inUse }) => !inUse)
    .filter(({ id }) => options.ids === undefined || options.ids.includes(id))
    .filter((record) => options.unusedForMs === undefined || now - lastUse(record) >= options.unusedForMs)
    .sort((a, b) => lastUse(a) - lastUse(b));
  let keptBytes = listed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const removed: CacheRecord[] = [];
  for (const record of removable) {
    if (options.keepBytes !== undefined && keptBytes <= options.keepBytes) break;
    if (context.inUse.has(record.id) || folders.isHeld(record.id)) continue;
    if (failedSteps.has(record.id)) await failedSteps.remove(record.id);
    else if (records.findFolder(record.id) === undefined) records.removeResult(record.id);
    else await folders.remove(record.id);
    keptBytes -= record.sizeBytes;
    removed.push(record);
  }
  if (removed.length > 0) records.removeHashes();
  return { removed, freedBytes: removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}
