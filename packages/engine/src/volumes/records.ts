import type { Database } from '@slipway/store';
import type { Volume } from './volume.ts';

const MIGRATIONS = [
  `CREATE TABLE volumes (
     name TEXT PRIMARY KEY,
     labels TEXT NOT NULL,
     options TEXT NOT NULL,
     created_at_ns TEXT NOT NULL
   ) STRICT`,
  'ALTER TABLE volumes ADD COLUMN made_for TEXT',
];

interface Row {
  readonly name: string;
  readonly labels: string;
  readonly options: string;
  readonly created_at_ns: string;
  readonly made_for: string | null;
}

/** Volumes <-> SQL. */
export class VolumeRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('volumes', MIGRATIONS);
  }

  insert({ name, labels, options, createdAtNs, madeFor }: Volume): void {
    this.#database
      .prepare('INSERT INTO volumes (name, labels, options, created_at_ns, made_for) VALUES (?, ?, ?, ?, ?)')
      .run(name, JSON.stringify(labels), JSON.stringify(options), createdAtNs.toString(), madeFor ?? null);
  }

  /** It belongs to no container any more. */
  clearMadeFor(name: string): void {
    this.#database.prepare('UPDATE volumes SET made_for = NULL WHERE name = ?').run(name);
  }

  delete(name: string): void {
    this.#database.prepare('DELETE FROM volumes WHERE name = ?').run(name);
  }

  load(): Volume[] {
    const rows = this.#database.prepare('SELECT * FROM volumes').all() as unknown as Row[];
    return rows.map((row) => ({
      name: row.name,
      driver: 'local',
      labels: JSON.parse(row.labels) as Record<string, string>,
      options: JSON.parse(row.options) as Record<string, string>,
      createdAtNs: BigInt(row.created_at_ns),
      madeFor: row.made_for ?? undefined,
    }));
  }
}
