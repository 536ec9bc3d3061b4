import type { Database } from '@slipway/store';

const MIGRATIONS = [
  `CREATE TABLE ecr_repositories (
     name TEXT PRIMARY KEY,
     created_at_ms REAL NOT NULL,
     scan_on_push INTEGER NOT NULL,
     encryption TEXT NOT NULL,
     tags TEXT NOT NULL,
     policy TEXT,
     lifecycle_policy TEXT,
     lifecycle_evaluated_at_ms REAL
   ) STRICT, WITHOUT ROWID;`,
];

/** How ECR would encrypt; kept and told, nothing else. */
export interface Encryption {
  readonly encryptionType: string;
  readonly kmsKey?: string;
}

/** What ECR knows of a repository beyond the registry itself. */
export interface EcrRecord {
  readonly name: string;
  /** The registry's: a repository that was made again under the same name starts anew. */
  readonly createdAtMs: number;
  readonly scanOnPush: boolean;
  readonly encryption: Encryption;
  readonly tags: Readonly<Record<string, string>>;
  /** As it was given. */
  readonly policy: string | undefined;
  /** As it was given. */
  readonly lifecyclePolicy: string | undefined;
  readonly lifecycleEvaluatedAtMs: number | undefined;
}

/** What names one repository, and not another that had the name before. */
export type RepositoryKey = Pick<EcrRecord, 'name' | 'createdAtMs'>;

/** ECR's side of repositories <-> SQL. */
export class EcrRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('ecr', MIGRATIONS);
  }

  /** The record; what a repository that was made by a push has when there is none. */
  get({ name, createdAtMs }: RepositoryKey): EcrRecord {
    const row = this.#database
      .prepare('SELECT * FROM ecr_repositories WHERE name = ? AND created_at_ms = ?')
      .get(name, createdAtMs);
    if (row !== undefined) return fromRow(row);
    return {
      name,
      createdAtMs,
      scanOnPush: false,
      encryption: { encryptionType: 'AES256' },
      tags: {},
      policy: undefined,
      lifecyclePolicy: undefined,
      lifecycleEvaluatedAtMs: undefined,
    };
  }

  /** Changes what is given. */
  update(key: RepositoryKey, changes: Partial<Omit<EcrRecord, keyof RepositoryKey>>): EcrRecord {
    const record: EcrRecord = { ...this.get(key), ...changes };
    this.#database
      .prepare(
        `INSERT OR REPLACE INTO ecr_repositories (name, created_at_ms, scan_on_push, encryption, tags, policy,
           lifecycle_policy, lifecycle_evaluated_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        record.name,
        record.createdAtMs,
        record.scanOnPush ? 1 : 0,
        JSON.stringify(record.encryption),
        JSON.stringify(record.tags),
        record.policy ?? null,
        record.lifecyclePolicy ?? null,
        record.lifecycleEvaluatedAtMs ?? null,
      );
    return record;
  }

  delete(name: string): void {
    this.#database.prepare('DELETE FROM ecr_repositories WHERE name = ?').run(name);
  }

  withLifecyclePolicy(): EcrRecord[] {
    return this.#database
      .prepare('SELECT * FROM ecr_repositories WHERE lifecycle_policy IS NOT NULL ORDER BY name')
      .all()
      .map(fromRow);
  }
}

const fromRow = (row: Readonly<Record<string, unknown>>): EcrRecord => ({
  name: row.name as string,
  createdAtMs: row.created_at_ms as number,
  scanOnPush: row.scan_on_push === 1,
  encryption: JSON.parse(row.encryption as string) as Encryption,
  tags: JSON.parse(row.tags as string) as Record<string, string>,
  policy: (row.policy as string | null) ?? undefined,
  lifecyclePolicy: (row.lifecycle_policy as string | null) ?? undefined,
  lifecycleEvaluatedAtMs: (row.lifecycle_evaluated_at_ms as number | null) ?? undefined,
});
