import { type Clock, type Random, SlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Database } from '../database/database.ts';

/** What a lease keeps: blobs by digest, snapshots by key. */
export interface LeasedResources {
  readonly blobs?: readonly Digest[];
  readonly snapshots?: readonly string[];
}

/**
 * Keeps what is being put together from garbage collection until a record names it. Lease a blob *before* looking
 * whether it is there: then nothing can take it away between the look and its use.
 * Disposing ends the lease.
 */
export interface Lease extends AsyncDisposable {
  readonly id: string;
  readonly expiresAtMs: number;
  readonly outlivesProcess: boolean;
  /** Adds to what the lease keeps, at once. @throws NotFound when the lease has ended */
  add(resources: LeasedResources): void;
}

/** Leases are on disk: after a crash the next process decides which of them still hold, until they expire. */
export interface Leases {
  /**
   * A new lease; it ends by itself after `ttlMs` (24 hours by default). With `outlivesProcess` it is meant to hold past a
   * restart, for work that the next process carries on.
   */
  acquire(options?: { ttlMs?: number; resources?: LeasedResources; outlivesProcess?: boolean }): Lease;
  /** A lease of before. @throws NotFound */
  get(id: string): Lease;
  list(): Lease[];
  /** All that the leases which have not expired keep. Expired leases are removed. */
  held(): { blobs: Set<string>; snapshots: Set<string> };
  /** Calls `listener` with what leases come to keep, until disposed. */
  onAdd(listener: (resources: LeasedResources) => void): Disposable;
}

const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000;

const MIGRATIONS = [
  `CREATE TABLE leases (id TEXT PRIMARY KEY, expires_at_ms REAL NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE lease_resources (
     lease_id TEXT NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
     kind TEXT NOT NULL,
     key TEXT NOT NULL,
     PRIMARY KEY (kind, key, lease_id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX lease_resources_by_lease ON lease_resources (lease_id);`,
  'ALTER TABLE leases ADD COLUMN outlives_process INTEGER NOT NULL DEFAULT 0',
];

/** The leases recorded in `database`. */
export function openLeases(database: Database, { clock, random }: { clock: Clock; random: Random }): Leases {
  database.migrate('leases', MIGRATIONS);
  const listeners = new Set<(resources: LeasedResources) => void>();
  // One that ends with the process need not outlast the machine's power.
  const write = <T>(outlivesProcess: boolean, work: () => T): T =>
    outlivesProcess ? database.transaction(work) : database.relaxed(work);
  const toLease = (id: string, expiresAtMs: number, outlivesProcess: boolean): Lease => ({
    id,
    expiresAtMs,
    outlivesProcess,
    add: (resources) => write(outlivesProcess, () => add(id, resources)),
    [Symbol.asyncDispose]: async () => {
      write(outlivesProcess, () => database.prepare('DELETE FROM leases WHERE id = ?').run(id));
    },
  });

  const fromRow = (row: Record<string, unknown>): Lease =>
    toLease(row.id as string, row.expires_at_ms as number, row.outlives_process === 1);

  function add(id: string, { blobs = [], snapshots = [] }: LeasedResources): void {
    if (database.prepare('SELECT 1 FROM leases WHERE id = ?').get(id) === undefined) throw notFound(id);
    const insert = database.prepare(
      'INSERT OR IGNORE INTO lease_resources (lease_id, kind, key) VALUES (?, ?, ?)',
    );
    for (const digest of blobs) insert.run(id, 'blob', digest);
    for (const key of snapshots) insert.run(id, 'snapshot', key);
    for (const listener of listeners) listener({ blobs, snapshots });
  }

  return {
    acquire({ ttlMs = DEFAULT_TTL_MS, resources = {}, outlivesProcess = false } = {}) {
      const lease = toLease(random.hex(16), clock.nowMs() + ttlMs, outlivesProcess);
      write(outlivesProcess, () => {
        database
          .prepare('INSERT INTO leases (id, expires_at_ms, outlives_process) VALUES (?, ?, ?)')
          .run(lease.id, lease.expiresAtMs, outlivesProcess ? 1 : 0);
        add(lease.id, resources);
      });
      return lease;
    },

    get(id) {
      const row = database.prepare('SELECT * FROM leases WHERE id = ?').get(id);
      if (row === undefined) throw notFound(id);
      return fromRow(row);
    },

    list: () => database.prepare('SELECT * FROM leases ORDER BY id').all().map(fromRow),

    held() {
      database.prepare('DELETE FROM leases WHERE expires_at_ms <= ?').run(clock.nowMs());
      const held = { blobs: new Set<string>(), snapshots: new Set<string>() };
      for (const row of database.prepare('SELECT kind, key FROM lease_resources').all()) {
        (row.kind === 'blob' ? held.blobs : held.snapshots).add(row.key as string);
      }
      return held;
    },

    onAdd(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}

const notFound = (id: string) => new SlipwayError('NotFound', `lease ${id}: not found, or it has expired`);
