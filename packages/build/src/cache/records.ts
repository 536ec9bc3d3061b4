import type { Digest } from '@slipway/oci';
import type { Database } from '@slipway/store';
import type { BuildResult } from '../solver.ts';

const MIGRATIONS = [
  `CREATE TABLE build_results (
     id TEXT PRIMARY KEY,
     layers TEXT NOT NULL,
     parents TEXT NOT NULL,
     description TEXT NOT NULL,
     size_bytes INTEGER NOT NULL,
     created_at_ms REAL NOT NULL,
     last_used_at_ms REAL,
     usage_count INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE build_keys (
     key TEXT PRIMARY KEY,
     result_id TEXT NOT NULL REFERENCES build_results (id) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX build_keys_by_result ON build_keys (result_id);
   CREATE TABLE build_hashes (
     tree TEXT NOT NULL,
     selection TEXT NOT NULL,
     hash TEXT NOT NULL,
     PRIMARY KEY (tree, selection)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE build_folders (
     id TEXT PRIMARY KEY,
     type TEXT NOT NULL,
     description TEXT NOT NULL,
     created_at_ms REAL NOT NULL,
     last_used_at_ms REAL,
     usage_count INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE build_downloads (
     url TEXT PRIMARY KEY,
     etag TEXT,
     last_modified TEXT,
     digest TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

export type Layers = BuildResult['layers'];

/** What a step came to. */
export interface ResultRecord {
  readonly id: string;
  readonly layers: Layers;
  /** The results it stands on. */
  readonly parents: readonly string[];
  readonly description: string;
  /** Of the layer that it added; 0 where it added none. */
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
  readonly usageCount: number;
}

export interface FolderRecord {
  readonly id: string;
  readonly type: 'regular' | 'source.local' | 'exec.cachemount';
  readonly description: string;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
  readonly usageCount: number;
}

/** What a server said of a file that was downloaded. */
export interface Download {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly digest: Digest;
}

/** The build cache <-> SQL. */
export class CacheRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('build', MIGRATIONS);
  }

  findResult(key: string): ResultRecord | undefined {
    const row = this.#database
      .prepare('SELECT r.* FROM build_keys k JOIN build_results r ON r.id = k.result_id WHERE k.key = ?')
      .get(key);
    return row === undefined ? undefined : toResult(row);
  }

  /**
   * Under all its keys. It survives the process at once, and a loss of power with the next record that is synced: that of the
   * image, or one that no build waits for.
   */
  addResult(result: ResultRecord, keys: readonly string[]): void {
    this.#database.relaxed(() => {
      this.#database
        .prepare(
          'INSERT INTO build_results (id, layers, parents, description, size_bytes, created_at_ms, last_used_at_ms, usage_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        )
        .run(
          result.id,
          JSON.stringify(result.layers),
          JSON.stringify(result.parents),
          result.description,
          result.sizeBytes,
          result.createdAtMs,
          result.lastUsedAtMs ?? null,
          result.usageCount,
        );
      for (const key of keys) this.#addKey(key, result.id);
    });
  }

  /** One more key for a result that is known. */
  addKey(key: string, resultId: string): void {
    this.#database.relaxed(() => this.#addKey(key, resultId));
  }

  #addKey(key: string, resultId: string): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO build_keys (key, result_id) VALUES (?, ?)')
      .run(key, resultId);
  }

  markUsed(ids: Iterable<string>, atMs: number): void {
    this.#database.relaxed(() => {
      for (const table of ['build_results', 'build_folders']) {
        const update = this.#database.prepare(
          `UPDATE ${table} SET last_used_at_ms = ?, usage_count = usage_count + 1 WHERE id = ?`,
        );
        for (const id of ids) update.run(atMs, id);
      }
    });
  }

  listResults(): ResultRecord[] {
    return this.#database.prepare('SELECT * FROM build_results ORDER BY created_at_ms').all().map(toResult);
  }

  /** Those that were made again, under whose keys others are now. */
  removeUnreachable(): void {
    this.#database
      .prepare('DELETE FROM build_results WHERE id NOT IN (SELECT result_id FROM build_keys)')
      .run();
  }

  removeResult(id: string): void {
    this.#database.prepare('DELETE FROM build_results WHERE id = ?').run(id);
  }

  findHash(tree: string, selection: string): Digest | undefined {
    return this.#database
      .prepare('SELECT hash FROM build_hashes WHERE tree = ? AND selection = ?')
      .get(tree, selection)?.hash as Digest | undefined;
  }

  addHash(tree: string, selection: string, hash: Digest): void {
    this.#database.relaxed(() =>
      this.#database
        .prepare('INSERT OR REPLACE INTO build_hashes (tree, selection, hash) VALUES (?, ?, ?)')
        .run(tree, selection, hash),
    );
  }

  /** What is known of file systems that no result has any more. */
  removeHashes(): void {
    this.#database.prepare('DELETE FROM build_hashes').run();
  }

  findFolder(id: string): FolderRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM build_folders WHERE id = ?').get(id);
    return row === undefined ? undefined : toFolder(row);
  }

  addFolder({ id, type, description, createdAtMs }: FolderRecord): void {
    this.#database
      .prepare(
        'INSERT OR IGNORE INTO build_folders (id, type, description, created_at_ms) VALUES (?, ?, ?, ?)',
      )
      .run(id, type, description, createdAtMs);
  }

  listFolders(): FolderRecord[] {
    return this.#database.prepare('SELECT * FROM build_folders ORDER BY created_at_ms').all().map(toFolder);
  }

  removeFolder(id: string): void {
    this.#database.prepare('DELETE FROM build_folders WHERE id = ?').run(id);
  }

  findDownload(url: string): Download | undefined {
    const row = this.#database.prepare('SELECT * FROM build_downloads WHERE url = ?').get(url);
    if (row === undefined) return undefined;
    return {
      etag: (row.etag ?? undefined) as string | undefined,
      lastModified: (row.last_modified ?? undefined) as string | undefined,
      digest: row.digest as Digest,
    };
  }

  setDownload(url: string, { etag, lastModified, digest }: Download): void {
    this.#database.relaxed(() =>
      this.#database
        .prepare(
          'INSERT OR REPLACE INTO build_downloads (url, etag, last_modified, digest) VALUES (?, ?, ?, ?)',
        )
        .run(url, etag ?? null, lastModified ?? null, digest),
    );
  }
}

type Row = Readonly<Record<string, unknown>>;

const toResult = (row: Row): ResultRecord => ({
  id: row.id as string,
  layers: JSON.parse(row.layers as string) as Layers,
  parents: JSON.parse(row.parents as string) as string[],
  description: row.description as string,
  sizeBytes: row.size_bytes as number,
  ...usageOf(row),
});

const toFolder = (row: Row): FolderRecord => ({
  id: row.id as string,
  type: row.type as FolderRecord['type'],
  description: row.description as string,
  ...usageOf(row),
});

const usageOf = (row: Row) => ({
  createdAtMs: row.created_at_ms as number,
  lastUsedAtMs: (row.last_used_at_ms ?? undefined) as number | undefined,
  usageCount: row.usage_count as number,
});
