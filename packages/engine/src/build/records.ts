import type { Digest } from '@slipway/oci';
import type { Database } from '@slipway/store';

/** A build that has begun. */
export interface BuildRecord {
  readonly id: string;
  /** What people know it by: the image's name, else what was built. */
  readonly name: string;
  readonly startedAtMs: number;
  /** Undefined while it runs. */
  readonly completedAtMs: number | undefined;
  readonly status: 'running' | 'completed' | 'error' | 'canceled';
  readonly stepsTotal: number;
  readonly stepsCached: number;
  readonly error: string | undefined;
  readonly imageId: string | undefined;
}

const KEPT_BUILDS = 200;

const MIGRATIONS = [
  `CREATE TABLE builds (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     started_at_ms REAL NOT NULL,
     completed_at_ms REAL,
     status TEXT NOT NULL,
     steps_total INTEGER NOT NULL,
     steps_cached INTEGER NOT NULL,
     error TEXT,
     image_id TEXT
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX builds_by_start ON builds (started_at_ms);
   CREATE TABLE build_times (content TEXT PRIMARY KEY, created_at_ms REAL NOT NULL) STRICT, WITHOUT ROWID;`,
];

/** The builds of before, the newest two hundred; and when each image that was built was first built. */
export class BuildRecords {
  readonly #database: Database;

  /** Builds that another process left running have ended with it. */
  constructor(database: Database) {
    this.#database = database;
    database.migrate('builds', MIGRATIONS);
    database
      .prepare(
        `UPDATE builds SET status = 'error', completed_at_ms = started_at_ms, error = 'the daemon ended meanwhile'
         WHERE status = 'running'`,
      )
      .run();
  }

  /** Records it, or what has become of it. */
  put(build: BuildRecord): void {
    this.#database.relaxed(() => {
      this.#database
        .prepare('INSERT OR REPLACE INTO builds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          build.id,
          build.name,
          build.startedAtMs,
          build.completedAtMs ?? null,
          build.status,
          build.stepsTotal,
          build.stepsCached,
          build.error ?? null,
          build.imageId ?? null,
        );
      this.#database
        .prepare(
          'DELETE FROM builds WHERE id IN (SELECT id FROM builds ORDER BY started_at_ms DESC LIMIT -1 OFFSET ?)',
        )
        .run(KEPT_BUILDS);
    });
  }

  remove(id: string): boolean {
    return this.#database.prepare('DELETE FROM builds WHERE id = ?').run(id).changes > 0;
  }

  /** The newest first. */
  list(): BuildRecord[] {
    return this.#database
      .prepare('SELECT * FROM builds ORDER BY started_at_ms DESC')
      .all()
      .map((row) => ({
        id: row.id as string,
        name: row.name as string,
        startedAtMs: row.started_at_ms as number,
        completedAtMs: (row.completed_at_ms as number | null) ?? undefined,
        status: row.status as BuildRecord['status'],
        stepsTotal: row.steps_total as number,
        stepsCached: row.steps_cached as number,
        error: (row.error as string | null) ?? undefined,
        imageId: (row.image_id as string | null) ?? undefined,
      }));
  }

  /** When this content was first built: what is built again is then the same image, with the same id. */
  firstBuiltAtMs(content: Digest, nowMs: number): number {
    const known = this.#database
      .prepare('SELECT created_at_ms FROM build_times WHERE content = ?')
      .get(content);
    if (known !== undefined) return known.created_at_ms as number;
    // The image's record comes to the disk after it, and takes it along.
    this.#database.relaxed(() =>
      this.#database.prepare('INSERT INTO build_times VALUES (?, ?)').run(content, nowMs),
    );
    return nowMs;
  }
}
