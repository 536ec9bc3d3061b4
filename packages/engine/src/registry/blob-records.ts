import type { Digest } from '@slipway/oci';
import type { Database } from '@slipway/store';

/** A blob of a repository, under the digest that its pusher gave it. */
export interface BlobLink {
  readonly digest: Digest;
  /** The store's name of the bytes: the same where `digest` is a sha256. */
  readonly content: Digest;
  readonly sizeBytes: number;
  /** When it came, or was last looked at. */
  readonly usedAtMs: number;
}

/** The blobs of repositories <-> SQL. */
export class BlobRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find(repositoryId: number, digest: Digest): BlobLink | undefined {
    const row = this.#database
      .prepare('SELECT * FROM registry_blobs WHERE repository_id = ? AND digest = ?')
      .get(repositoryId, digest);
    return row === undefined ? undefined : blobFromRow(row);
  }

  /** The names of the repositories that have the blob, with their links. */
  holders(digest: Digest): { name: string; link: BlobLink }[] {
    return this.#database
      .prepare(
        `SELECT r.name AS name, b.* FROM registry_blobs b JOIN registry_repositories r ON r.id = b.repository_id
         WHERE b.digest = ? ORDER BY r.name`,
      )
      .all(digest)
      .map((row) => ({ name: row.name as string, link: blobFromRow(row) }));
  }

  put(repositoryId: number, { digest, content, sizeBytes, usedAtMs }: BlobLink): void {
    this.#database
      .prepare(
        `INSERT INTO registry_blobs (repository_id, digest, content, size_bytes, used_at_ms) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (repository_id, digest) DO UPDATE SET used_at_ms = excluded.used_at_ms`,
      )
      .run(repositoryId, digest, content, sizeBytes, usedAtMs);
  }

  setUsed(repositoryId: number, digest: Digest, usedAtMs: number): void {
    this.#database
      .prepare('UPDATE registry_blobs SET used_at_ms = ? WHERE repository_id = ? AND digest = ?')
      .run(usedAtMs, repositoryId, digest);
  }

  delete(repositoryId: number, digest: Digest): boolean {
    return (
      this.#database
        .prepare('DELETE FROM registry_blobs WHERE repository_id = ? AND digest = ?')
        .run(repositoryId, digest).changes === 1
    );
  }

  /** Takes out of their repositories the blobs that no manifest there needs and nobody used since. */
  deleteUnneeded(usedBeforeMs: number): void {
    this.#database
      .prepare(
        `DELETE FROM registry_blobs WHERE used_at_ms < ? AND NOT EXISTS
           (SELECT 1 FROM registry_references n
            WHERE n.repository_id = registry_blobs.repository_id AND n.target = registry_blobs.digest)`,
      )
      .run(usedBeforeMs);
  }

  /** Whether a manifest of the repository refers to it. */
  isNeeded(repositoryId: number, digest: Digest): boolean {
    return (
      this.#database
        .prepare('SELECT 1 FROM registry_references WHERE repository_id = ? AND target = ? LIMIT 1')
        .get(repositoryId, digest) !== undefined
    );
  }
}

const blobFromRow = (row: Readonly<Record<string, unknown>>): BlobLink => ({
  digest: row.digest as Digest,
  content: row.content as Digest,
  sizeBytes: row.size_bytes as number,
  usedAtMs: row.used_at_ms as number,
});
