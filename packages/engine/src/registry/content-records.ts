import type { Digest, Platform } from '@slipway/oci';
import type { Database } from '@slipway/store';

export interface ManifestRecord {
  readonly digest: Digest;
  readonly content: Digest;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  readonly sizeBytes: number;
  /** With all that it refers to. */
  readonly totalBytes: number;
  readonly pushedAtMs: number;
  readonly pulledAtMs: number | undefined;
  readonly platforms: readonly Platform[];
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** What answering a GET takes. */
export interface FoundManifest {
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly content: Digest;
  readonly mediaType: string;
}

const FOUND =
  'm.repository_id AS repositoryId, m.digest AS digest, m.content AS content, m.media_type AS mediaType';

/** The manifests and tags of repositories <-> SQL. */
export class ContentRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** For what may be lost with the machine's power. */
  relaxed<T>(work: () => T): T {
    return this.#database.relaxed(work);
  }

  findManifestByTag(repository: string, tag: string): FoundManifest | undefined {
    return this.#database
      .prepare(
        `SELECT ${FOUND} FROM registry_repositories r
         JOIN registry_tags t ON t.repository_id = r.id AND t.tag = ?2
         JOIN registry_manifests m ON m.repository_id = r.id AND m.digest = t.digest WHERE r.name = ?1`,
      )
      .get(repository, tag) as FoundManifest | undefined;
  }

  findManifestByDigest(repository: string, digest: Digest): FoundManifest | undefined {
    return this.#database
      .prepare(
        `SELECT ${FOUND} FROM registry_repositories r
         JOIN registry_manifests m ON m.repository_id = r.id AND m.digest = ?2 WHERE r.name = ?1`,
      )
      .get(repository, digest) as FoundManifest | undefined;
  }

  findManifest(repositoryId: number, digest: Digest): ManifestRecord | undefined {
    const row = this.#database
      .prepare('SELECT * FROM registry_manifests WHERE repository_id = ? AND digest = ?')
      .get(repositoryId, digest);
    return row === undefined ? undefined : manifestFromRow(row);
  }

  /** Newest first. */
  manifests(repositoryId: number): ManifestRecord[] {
    return this.#database
      .prepare('SELECT * FROM registry_manifests WHERE repository_id = ? ORDER BY pushed_at_ms DESC, digest')
      .all(repositoryId)
      .map(manifestFromRow);
  }

  referrers(repositoryId: number, subject: Digest): ManifestRecord[] {
    return this.#database
      .prepare('SELECT * FROM registry_manifests WHERE repository_id = ? AND subject = ? ORDER BY digest')
      .all(repositoryId, subject)
      .map(manifestFromRow);
  }

  /** Records the manifest with what it refers to; one that is there only becomes newer. */
  putManifest(repositoryId: number, record: ManifestRecord, references: Iterable<Digest>): void {
    this.#database
      .prepare(
        `INSERT INTO registry_manifests (repository_id, digest, content, media_type, artifact_type, subject,
           size_bytes, total_bytes, pushed_at_ms, platforms, annotations)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (repository_id, digest) DO UPDATE SET pushed_at_ms = excluded.pushed_at_ms,
           media_type = excluded.media_type, total_bytes = excluded.total_bytes, platforms = excluded.platforms`,
      )
      .run(
        repositoryId,
        record.digest,
        record.content,
        record.mediaType,
        record.artifactType ?? null,
        record.subject ?? null,
        record.sizeBytes,
        record.totalBytes,
        record.pushedAtMs,
        JSON.stringify(record.platforms),
        record.annotations === undefined ? null : JSON.stringify(record.annotations),
      );
    const insert = this.#database.prepare(
      'INSERT OR IGNORE INTO registry_references (repository_id, manifest, target) VALUES (?, ?, ?)',
    );
    for (const target of references) insert.run(repositoryId, record.digest, target);
  }

  setPulled(repositoryId: number, digest: Digest, pulledAtMs: number): void {
    this.#database
      .prepare('UPDATE registry_manifests SET pulled_at_ms = ? WHERE repository_id = ? AND digest = ?')
      .run(pulledAtMs, repositoryId, digest);
  }

  /** With its tags. Whether there was one. */
  deleteManifest(repositoryId: number, digest: Digest): boolean {
    return (
      this.#database
        .prepare('DELETE FROM registry_manifests WHERE repository_id = ? AND digest = ?')
        .run(repositoryId, digest).changes === 1
    );
  }

  putTag(repositoryId: number, tag: string, digest: Digest): void {
    this.#database
      .prepare(
        `INSERT INTO registry_tags (repository_id, tag, digest) VALUES (?, ?, ?)
         ON CONFLICT (repository_id, tag) DO UPDATE SET digest = excluded.digest`,
      )
      .run(repositoryId, tag, digest);
  }

  deleteTag(repositoryId: number, tag: string): boolean {
    return (
      this.#database
        .prepare('DELETE FROM registry_tags WHERE repository_id = ? AND tag = ?')
        .run(repositoryId, tag).changes === 1
    );
  }

  findTag(repositoryId: number, tag: string): Digest | undefined {
    return this.#database
      .prepare('SELECT digest FROM registry_tags WHERE repository_id = ? AND tag = ?')
      .get(repositoryId, tag)?.digest as Digest | undefined;
  }

  /** In the order of their bytes. */
  tagsAfter(repositoryId: number, tag: string, limit: number): string[] {
    return this.#database
      .prepare('SELECT tag FROM registry_tags WHERE repository_id = ? AND tag > ? ORDER BY tag LIMIT ?')
      .all(repositoryId, tag, limit)
      .map((row) => row.tag as string);
  }

  tagsByDigest(repositoryId: number): Map<Digest, string[]> {
    const rows = this.#database
      .prepare('SELECT tag, digest FROM registry_tags WHERE repository_id = ? ORDER BY tag')
      .all(repositoryId) as unknown as { tag: string; digest: Digest }[];
    return grouped(rows.map(({ tag, digest }) => [digest, tag]));
  }

  /** What of the repository's manifests each index refers to. */
  manifestsByIndex(repositoryId: number): Map<Digest, Digest[]> {
    const rows = this.#database
      .prepare(
        `SELECT n.manifest AS manifest, n.target AS target FROM registry_references n
         JOIN registry_manifests m ON m.repository_id = n.repository_id AND m.digest = n.target
         WHERE n.repository_id = ?`,
      )
      .all(repositoryId) as unknown as { manifest: Digest; target: Digest }[];
    return grouped(rows.map(({ manifest, target }) => [manifest, target]));
  }

  /** What a repository takes: the bytes of its blobs and manifests, each once. */
  usage(repositoryId: number): { sizeBytes: number; manifests: number; tags: number } {
    const row = this.#database
      .prepare(
        `SELECT (SELECT COUNT(*) FROM registry_manifests WHERE repository_id = ?1) AS manifests,
                (SELECT COUNT(*) FROM registry_tags WHERE repository_id = ?1) AS tags,
                (SELECT COALESCE(SUM(size_bytes), 0) FROM
                   (SELECT content, size_bytes FROM registry_blobs WHERE repository_id = ?1
                    UNION SELECT content, size_bytes FROM registry_manifests WHERE repository_id = ?1)) AS size_bytes`,
      )
      .get(repositoryId) as Record<string, number>;
    return { sizeBytes: row.size_bytes ?? 0, manifests: row.manifests ?? 0, tags: row.tags ?? 0 };
  }
}

function grouped<V>(pairs: Iterable<readonly [Digest, V]>): Map<Digest, V[]> {
  const groups = new Map<Digest, V[]>();
  for (const [key, value] of pairs) {
    const present = groups.get(key);
    if (present === undefined) groups.set(key, [value]);
    else present.push(value);
  }
  return groups;
}

type Row = Readonly<Record<string, unknown>>;

const manifestFromRow = (row: Row): ManifestRecord => ({
  digest: row.digest as Digest,
  content: row.content as Digest,
  mediaType: row.media_type as string,
  artifactType: (row.artifact_type as string | null) ?? undefined,
  subject: (row.subject as Digest | null) ?? undefined,
  sizeBytes: row.size_bytes as number,
  totalBytes: row.total_bytes as number,
  pushedAtMs: row.pushed_at_ms as number,
  pulledAtMs: (row.pulled_at_ms as number | null) ?? undefined,
  platforms: JSON.parse(row.platforms as string) as Platform[],
  annotations:
    row.annotations === null ? undefined : (JSON.parse(row.annotations as string) as Record<string, string>),
});
