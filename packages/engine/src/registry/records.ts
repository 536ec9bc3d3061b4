import type { Digest } from '@slipway/oci';
import type { Database } from '@slipway/store';

const MIGRATIONS = [
  `CREATE TABLE registry_repositories (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     name TEXT NOT NULL UNIQUE,
     created_at_ms REAL NOT NULL,
     immutable_tags INTEGER,
     quota_bytes INTEGER,
     upstream TEXT
   ) STRICT;
   CREATE TABLE registry_blobs (
     repository_id INTEGER NOT NULL REFERENCES registry_repositories (id) ON DELETE CASCADE,
     digest TEXT NOT NULL,
     content TEXT NOT NULL,
     size_bytes INTEGER NOT NULL,
     used_at_ms REAL NOT NULL,
     PRIMARY KEY (repository_id, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_blobs_by_digest ON registry_blobs (digest);
   CREATE TABLE registry_manifests (
     repository_id INTEGER NOT NULL REFERENCES registry_repositories (id) ON DELETE CASCADE,
     digest TEXT NOT NULL,
     content TEXT NOT NULL,
     media_type TEXT NOT NULL,
     artifact_type TEXT,
     subject TEXT,
     size_bytes INTEGER NOT NULL,
     total_bytes INTEGER NOT NULL,
     pushed_at_ms REAL NOT NULL,
     pulled_at_ms REAL,
     platforms TEXT NOT NULL,
     annotations TEXT,
     PRIMARY KEY (repository_id, digest)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_manifests_by_subject ON registry_manifests (repository_id, subject);
   CREATE TABLE registry_references (
     repository_id INTEGER NOT NULL,
     manifest TEXT NOT NULL,
     target TEXT NOT NULL,
     PRIMARY KEY (repository_id, manifest, target),
     FOREIGN KEY (repository_id, manifest) REFERENCES registry_manifests (repository_id, digest) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_references_by_target ON registry_references (repository_id, target);
   CREATE TABLE registry_tags (
     repository_id INTEGER NOT NULL,
     tag TEXT NOT NULL,
     digest TEXT NOT NULL,
     PRIMARY KEY (repository_id, tag),
     FOREIGN KEY (repository_id, digest) REFERENCES registry_manifests (repository_id, digest) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX registry_tags_by_digest ON registry_tags (repository_id, digest);
   CREATE TABLE registry_webhooks (
     id TEXT PRIMARY KEY,
     url TEXT NOT NULL,
     repositories TEXT NOT NULL,
     secret TEXT
   ) STRICT, WITHOUT ROWID;`,
  'ALTER TABLE registry_repositories ADD COLUMN is_pending INTEGER NOT NULL DEFAULT 0;',
];

/** A push under way says so again at most this often. */
const TOUCH_MS = 10 * 60_000;

/** A repository. What is undefined is as the registry's settings say. */
export interface RepositoryRecord {
  readonly id: number;
  readonly name: string;
  /** While it is pending: when somebody last began to push. */
  readonly createdAtMs: number;
  /** A push made it, and has brought no manifest yet: it is in no list, and goes when nothing of the push is left. */
  readonly isPending: boolean;
  readonly immutableTags: boolean | undefined;
  /** `Infinity`: no quota, whatever the settings say. */
  readonly quotaBytes: number | undefined;
  /** The registry that it caches; undefined for a repository of our own. */
  readonly upstream: string | undefined;
}

export interface WebhookRecord {
  readonly id: string;
  readonly url: string;
  readonly repositories: string;
  readonly secret: string | undefined;
}

interface RepositoryRow {
  readonly id: number;
  readonly name: string;
  readonly created_at_ms: number;
  readonly is_pending: number;
  readonly immutable_tags: number | null;
  readonly quota_bytes: number | null;
  readonly upstream: string | null;
}

const UNLIMITED = -1;

/** Repositories and webhooks <-> SQL. */
export class RepositoryRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('registry', MIGRATIONS);
  }

  find(name: string): RepositoryRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM registry_repositories WHERE name = ?').get(name);
    return row === undefined ? undefined : fromRow(row as unknown as RepositoryRow);
  }

  /** The repository, made and pending when it is not there. */
  ensure(name: string, nowMs: number, upstream?: string): RepositoryRecord {
    const present = this.find(name);
    if (present === undefined) {
      this.#database
        .prepare(
          'INSERT INTO registry_repositories (name, created_at_ms, upstream, is_pending) VALUES (?, ?, ?, 1)',
        )
        .run(name, nowMs, upstream ?? null);
    } else if (present.isPending && nowMs - present.createdAtMs > TOUCH_MS) {
      this.#database
        .prepare('UPDATE registry_repositories SET created_at_ms = ? WHERE id = ?')
        .run(nowMs, present.id);
    } else {
      return present;
    }
    return this.find(name) as RepositoryRecord;
  }

  /** It is pending no more. */
  settle({ id, isPending }: RepositoryRecord): void {
    if (!isPending) return;
    this.#database.prepare('UPDATE registry_repositories SET is_pending = 0 WHERE id = ?').run(id);
  }

  /** Those that are pending since before then and have no blob. */
  pendingWithoutBlobs(beforeMs: number): number[] {
    return this.#database
      .prepare(
        `SELECT id FROM registry_repositories r WHERE is_pending = 1 AND created_at_ms < ? AND NOT EXISTS
           (SELECT 1 FROM registry_blobs b WHERE b.repository_id = r.id)`,
      )
      .all(beforeMs)
      .map(({ id }) => id as number);
  }

  setImmutableTags(id: number, immutableTags: boolean): void {
    this.#database
      .prepare('UPDATE registry_repositories SET immutable_tags = ? WHERE id = ?')
      .run(immutableTags ? 1 : 0, id);
  }

  setQuota(id: number, quotaBytes: number): void {
    this.#database
      .prepare('UPDATE registry_repositories SET quota_bytes = ? WHERE id = ?')
      .run(quotaBytes === Number.POSITIVE_INFINITY ? UNLIMITED : quotaBytes, id);
  }

  delete(id: number): void {
    this.#database.prepare('DELETE FROM registry_repositories WHERE id = ?').run(id);
  }

  /** In the order of their names' bytes, without those that are pending. */
  *listAfter(name: string): Iterable<RepositoryRecord> {
    const rows = this.#database
      .prepare('SELECT * FROM registry_repositories WHERE name > ? AND is_pending = 0 ORDER BY name')
      .all(name) as unknown as RepositoryRow[];
    for (const row of rows) yield fromRow(row);
  }

  webhooks(): WebhookRecord[] {
    const rows = this.#database.prepare('SELECT * FROM registry_webhooks ORDER BY id').all();
    return rows.map((row) => ({
      id: row.id as string,
      url: row.url as string,
      repositories: row.repositories as string,
      secret: (row.secret as string | null) ?? undefined,
    }));
  }

  insertWebhook({ id, url, repositories, secret }: WebhookRecord): void {
    this.#database
      .prepare('INSERT INTO registry_webhooks (id, url, repositories, secret) VALUES (?, ?, ?, ?)')
      .run(id, url, repositories, secret ?? null);
  }

  /** Whether there was one. */
  deleteWebhook(id: string): boolean {
    return this.#database.prepare('DELETE FROM registry_webhooks WHERE id = ?').run(id).changes === 1;
  }

  /** The store's names of all that a repository has. */
  contents(): Digest[] {
    return this.#database
      .prepare('SELECT content FROM registry_blobs UNION SELECT content FROM registry_manifests')
      .all()
      .map(({ content }) => content as Digest);
  }

  /** How much there is in all repositories; each blob's bytes once. */
  totals(): { repositories: number; manifests: number; blobs: number; sizeBytes: number } {
    const row = this.#database
      .prepare(
        `SELECT (SELECT COUNT(*) FROM registry_repositories WHERE is_pending = 0) AS repositories,
                (SELECT COUNT(*) FROM registry_manifests) AS manifests,
                (SELECT COUNT(DISTINCT content) FROM registry_blobs) AS blobs,
                (SELECT COALESCE(SUM(size_bytes), 0) FROM
                   (SELECT content, size_bytes FROM registry_blobs
                    UNION SELECT content, size_bytes FROM registry_manifests)) AS size_bytes`,
      )
      .get() as Record<string, number>;
    return {
      repositories: row.repositories ?? 0,
      manifests: row.manifests ?? 0,
      blobs: row.blobs ?? 0,
      sizeBytes: row.size_bytes ?? 0,
    };
  }
}

const fromRow = (row: RepositoryRow): RepositoryRecord => ({
  id: row.id,
  name: row.name,
  createdAtMs: row.created_at_ms,
  isPending: row.is_pending === 1,
  immutableTags: row.immutable_tags === null ? undefined : row.immutable_tags === 1,
  quotaBytes: row.quota_bytes === UNLIMITED ? Number.POSITIVE_INFINITY : (row.quota_bytes ?? undefined),
  upstream: row.upstream ?? undefined,
});
