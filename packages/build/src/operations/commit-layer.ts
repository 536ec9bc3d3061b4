import { readdirSync } from 'node:fs';
import { isSlipwayError } from '@slipway/base';
import { type Descriptor, type DiffId, type Digest, MediaType } from '@slipway/oci';
import { type Lease, measureTree, packDirectory } from '@slipway/store';
import type { Layers } from '../cache/records.ts';
import { chainIdOn } from '../input.ts';
import type { SolverContext } from '../solve/context.ts';

const NS_PER_SECOND = 1_000_000_000n;

/**
 * Makes a layer of what the snapshot `key` adds to `below`: a blob, and a committed snapshot. The same files with the same
 * times give the same layer; one that is there already is taken instead.
 */
export async function commitLayer(
  { store: { content, snapshots, database } }: SolverContext,
  key: string,
  below: Layers,
  options: {
    readonly madeBy: Digest;
    readonly sourceDateEpochS: number | undefined;
    /** Keeps what is committed. */
    readonly lease: Lease;
    readonly signal: AbortSignal;
  },
): Promise<Layers[number]> {
  const { madeBy, sourceDateEpochS, lease, signal } = options;
  const upper = await snapshots.upperPath(key);
  await using ingest = await content.ingest();
  const latestNs = sourceDateEpochS === undefined ? undefined : BigInt(sourceDateEpochS) * NS_PER_SECOND;
  for await (const chunk of packDirectory(upper, { whiteouts: 'overlay', latestNs, signal })) {
    await ingest.write(chunk);
  }
  const { digest, sizeBytes } = await ingest.commit();
  const diffId = digest as DiffId;
  const chainId = chainIdOn(below, diffId);
  lease.add({ blobs: [digest], snapshots: [chainId] });
  try {
    const usage = await measureTree(upper);
    // The image's record comes to the disk after it, and takes it along.
    await database.relaxed(() => snapshots.commit(chainId, key, { usage }));
  } catch (error) {
    if (!isSlipwayError(error, 'AlreadyExists')) throw error;
  }
  const blob: Descriptor = { mediaType: MediaType.ociLayer, digest, size: sizeBytes };
  return { diffId, chainId, blob, madeBy };
}

/** Whether a snapshot adds nothing to what it stands on. */
export async function isUnchanged({ store }: SolverContext, key: string): Promise<boolean> {
  return readdirSync(await store.snapshots.upperPath(key)).length === 0;
}
