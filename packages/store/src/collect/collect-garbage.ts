import { errorMessage, isSlipwayError, type Logger } from '@slipway/base';
import { computeChainIds, type Digest, imageConfigSchema } from '@slipway/oci';
import type { CollectableContentStore } from '../content/file-content-store.ts';
import type { Leases } from '../leases/leases.ts';
import type { CollectableSnapshotter } from '../snapshots/overlay-snapshotter.ts';

/** What is needed: blobs with all they refer to, snapshots with all they stand on. */
export interface Roots {
  readonly blobs?: Iterable<Digest>;
  readonly snapshots?: Iterable<string>;
  /** Blobs that are needed without what they refer to: who keeps them names each by itself, and unpacks none. */
  readonly blobsAlone?: Iterable<Digest>;
}

/** What a blob needs beside itself. */
export interface References {
  readonly blobs: readonly Digest[];
  readonly snapshots: readonly string[];
}

export interface CollectRequest {
  /** The records' roots, all slices' together. Asked once the marking starts. */
  readonly roots: () => Roots | Promise<Roots>;
  /** What a blob refers to; by default what its JSON says, as a manifest, an index or an image's configuration. */
  readonly references?: (digest: Digest) => Promise<References>;
}

export interface Collected {
  readonly blobs: readonly Digest[];
  readonly snapshots: readonly string[];
  /** Bytes of the blobs and layers that went. */
  readonly freedBytes: number;
}

export interface CollectorOptions {
  readonly content: CollectableContentStore;
  readonly snapshots: CollectableSnapshotter;
  readonly leases: Leases;
  readonly logger: Logger;
}

const DOCUMENT_MAX_BYTES = 4 << 20;

/**
 * Removes blobs and committed snapshots that neither the roots nor a lease need. Active snapshots and views belong to
 * who made them and keep what they stand on. Safe beside pulls and unpacks: what is committed or leased while this runs
 * stays, whatever has become of its lease since: a record that came after the roots were asked may name it.
 */
export async function collectGarbage(
  { content, snapshots, leases, logger }: CollectorOptions,
  { roots, references = (digest) => documentReferences(content, digest) }: CollectRequest,
): Promise<Collected> {
  const fresh = { blobs: new Set<string>(), snapshots: new Set<string>() };
  using _commits = content.onCommit((digest) => fresh.blobs.add(digest));
  using _leases = leases.onAdd(({ blobs = [], snapshots = [] }) => {
    for (const digest of blobs) fresh.blobs.add(digest);
    for (const key of snapshots) fresh.snapshots.add(key);
  });
  const candidates = {
    blobs: await Array.fromAsync(content.list()),
    snapshots: await Array.fromAsync(snapshots.list()),
  };

  const present = new Set<string>(candidates.blobs.map(({ digest }) => digest));

  // Leases first: what goes from a lease to a record between the two is seen in both, not in neither.
  const held = leases.held();
  const given = await roots();
  const needed = { blobs: new Set<string>(), snapshots: new Set<string>() };
  const pending = [...(given.blobs ?? []), ...(held.blobs as Set<Digest>)];
  const neededSnapshots = [...(given.snapshots ?? []), ...held.snapshots];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (needed.blobs.has(digest)) continue;
    needed.blobs.add(digest);
    if (!present.has(digest) && !fresh.blobs.has(digest)) continue;
    const found = await references(digest);
    for (const blob of found.blobs) pending.push(blob);
    for (const key of found.snapshots) neededSnapshots.push(key);
  }
  // After the others, whose references count.
  for (const digest of given.blobsAlone ?? []) needed.blobs.add(digest);
  const parents = new Map(candidates.snapshots.map(({ key, parent }) => [key, parent]));
  for (const { key, kind } of candidates.snapshots) if (kind !== 'committed') neededSnapshots.push(key);
  for (const first of neededSnapshots) {
    for (
      let key: string | undefined = first;
      key !== undefined && !needed.snapshots.has(key);
      key = parents.get(key)
    ) {
      needed.snapshots.add(key);
    }
  }

  const collected = { blobs: [] as Digest[], snapshots: [] as string[], freedBytes: 0 };
  for (const { digest, sizeBytes } of candidates.blobs) {
    if (needed.blobs.has(digest) || fresh.blobs.has(digest)) continue;
    try {
      content.deleteSync(digest);
    } catch (error) {
      if (!isSlipwayError(error, 'NotFound')) throw error;
      continue;
    }
    collected.blobs.push(digest);
    collected.freedBytes += sizeBytes;
  }
  // Children go before their parents; layers that were unpacked side by side were not made in that order.
  const heights = heightsOf(parents);
  candidates.snapshots.sort((a, b) => (heights.get(b.key) ?? 0) - (heights.get(a.key) ?? 0));
  for (const { key } of candidates.snapshots) {
    if (needed.snapshots.has(key) || fresh.snapshots.has(key)) continue;
    try {
      const { sizeBytes } = await snapshots.usage(key);
      if (fresh.snapshots.has(key)) continue;
      await snapshots.removeNow(key);
      collected.snapshots.push(key);
      collected.freedBytes += sizeBytes;
    } catch (error) {
      // A child that came meanwhile, or somebody else's removal: both are theirs to decide.
      if (!isSlipwayError(error, 'FailedPrecondition', 'NotFound')) throw error;
      logger.debug({ snapshot: key, error: errorMessage(error) }, 'a snapshot stays');
    }
  }
  return collected;
}

/** How many snapshots each one stands on. */
function heightsOf(parents: ReadonlyMap<string, string | undefined>): ReadonlyMap<string, number> {
  const heights = new Map<string, number>();
  for (const key of parents.keys()) {
    const chain: string[] = [];
    let below: string | undefined = key;
    for (; below !== undefined && !heights.has(below); below = parents.get(below)) chain.push(below);
    let height = below === undefined ? -1 : (heights.get(below) as number);
    for (const above of chain.reverse()) heights.set(above, ++height);
  }
  return heights;
}

/**
 * What a manifest, index, artifact manifest or image configuration refers to; nothing for any other blob, or one that is
 * not there. A `subject` is not kept: who shows referrers decides how long they and it stay.
 */
export async function documentReferences(
  content: CollectableContentStore,
  digest: Digest,
): Promise<References> {
  const info = await content.find(digest);
  if (
    info === undefined ||
    info.sizeBytes > DOCUMENT_MAX_BYTES ||
    !(await startsWithBrace(content, digest))
  ) {
    return { blobs: [], snapshots: [] };
  }
  let document: Readonly<Record<string, unknown>>;
  try {
    document = JSON.parse((await content.read(digest, DOCUMENT_MAX_BYTES)).toString());
  } catch {
    return { blobs: [], snapshots: [] };
  }
  const config = imageConfigSchema.safeParse(document).data;
  return {
    blobs: [document.config, ...DESCRIPTOR_LISTS.flatMap((name) => document[name])]
      .map((descriptor) => (descriptor as { digest?: unknown } | null | undefined)?.digest)
      .filter((named): named is Digest => typeof named === 'string' && STORABLE.test(named)),
    snapshots: config === undefined ? [] : computeChainIds(config.rootfs.diff_ids),
  };
}

/** Where a manifest, an index and an artifact manifest say what they are made of. */
const DESCRIPTOR_LISTS = ['layers', 'manifests', 'blobs'] as const;

/** Documents are pushed by anybody, and may name what this store cannot have. */
const STORABLE = /^sha256:[a-f0-9]{64}$/;

async function startsWithBrace(content: CollectableContentStore, digest: Digest): Promise<boolean> {
  for await (const bytes of content.open(digest, { length: 1 })) return bytes[0] === 0x7b;
  return false;
}
