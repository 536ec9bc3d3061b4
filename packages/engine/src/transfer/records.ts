import type { Digest, Reference } from '@slipway/oci';
import type { Database, Lease } from '@slipway/store';

const MIGRATIONS = [
  `CREATE TABLE transfer_leases (
     lease_id TEXT PRIMARY KEY,
     manifest TEXT NOT NULL,
     expires_at_ms REAL NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX transfer_leases_by_manifest ON transfer_leases (manifest);
   CREATE TABLE transfer_blob_places (
     digest TEXT NOT NULL,
     domain TEXT NOT NULL,
     path TEXT NOT NULL,
     seen_at_ms REAL NOT NULL,
     PRIMARY KEY (digest, domain, path)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX transfer_blob_places_by_age ON transfer_blob_places (seen_at_ms);
   CREATE TABLE transfer_twins (
     plain TEXT PRIMARY KEY,
     compressed TEXT NOT NULL,
     size_bytes INTEGER NOT NULL,
     made_at_ms REAL NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX transfer_twins_by_age ON transfer_twins (made_at_ms);`,
];

/** What is kept of each; the oldest go first. They spare work, nothing depends on them. */
const PLACES_MAX = 20_000;
const TWINS_MAX = 5_000;
/** How many repositories a registry is asked to mount a blob from. */
const PLACES_GIVEN = 3;

/** The gzip'd form of a plain layer. */
export interface Twin {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** What transfers remember <-> SQL. */
export class TransferRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('transfer', MIGRATIONS);
  }

  /** The leases that keep what came of pulls of this manifest. */
  leasesOf(manifest: Digest): string[] {
    return this.#database
      .prepare('SELECT lease_id FROM transfer_leases WHERE manifest = ?')
      .all(manifest)
      .map((row) => row.lease_id as string);
  }

  /** Remembers the lease, and forgets those that have expired. */
  addLease({ id, expiresAtMs }: Pick<Lease, 'id' | 'expiresAtMs'>, manifest: Digest, nowMs: number): void {
    this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM transfer_leases WHERE expires_at_ms <= ?').run(nowMs);
      this.#database
        .prepare('INSERT INTO transfer_leases (lease_id, manifest, expires_at_ms) VALUES (?, ?, ?)')
        .run(id, manifest, expiresAtMs);
    });
  }

  deleteLease(id: string): void {
    this.#database.prepare('DELETE FROM transfer_leases WHERE lease_id = ?').run(id);
  }

  /** Paths of repositories of this registry that have had the blob, latest first. */
  placesOf(digest: Digest, domain: string): string[] {
    return this.#database
      .prepare(
        'SELECT path FROM transfer_blob_places WHERE digest = ? AND domain = ? ORDER BY seen_at_ms DESC LIMIT ?',
      )
      .all(digest, domain, PLACES_GIVEN)
      .map(({ path }) => path as string);
  }

  /** Remembers that the repository has these blobs. */
  addPlaces(digests: readonly Digest[], { domain, path }: Pick<Reference, 'domain' | 'path'>, nowMs: number) {
    this.#database.transaction(() => {
      const insert = this.#database.prepare(
        `INSERT INTO transfer_blob_places (digest, domain, path, seen_at_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (digest, domain, path) DO UPDATE SET seen_at_ms = excluded.seen_at_ms`,
      );
      for (const digest of digests) insert.run(digest, domain, path, nowMs);
      this.#database
        .prepare(
          `DELETE FROM transfer_blob_places WHERE seen_at_ms <
             (SELECT seen_at_ms FROM transfer_blob_places ORDER BY seen_at_ms DESC LIMIT 1 OFFSET ?)`,
        )
        .run(PLACES_MAX);
    });
  }

  findTwin(plain: Digest): Twin | undefined {
    const row = this.#database.prepare('SELECT * FROM transfer_twins WHERE plain = ?').get(plain);
    return row === undefined
      ? undefined
      : { digest: row.compressed as Digest, sizeBytes: row.size_bytes as number };
  }

  putTwin(plain: Digest, { digest, sizeBytes }: Twin, nowMs: number): void {
    this.#database.transaction(() => {
      this.#database
        .prepare(
          `INSERT INTO transfer_twins (plain, compressed, size_bytes, made_at_ms) VALUES (?, ?, ?, ?)
           ON CONFLICT (plain) DO UPDATE SET
             compressed = excluded.compressed, size_bytes = excluded.size_bytes, made_at_ms = excluded.made_at_ms`,
        )
        .run(plain, digest, sizeBytes, nowMs);
      this.#database
        .prepare(
          `DELETE FROM transfer_twins WHERE made_at_ms <
             (SELECT made_at_ms FROM transfer_twins ORDER BY made_at_ms DESC LIMIT 1 OFFSET ?)`,
        )
        .run(TWINS_MAX);
    });
  }
}
