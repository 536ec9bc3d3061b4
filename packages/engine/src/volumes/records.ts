import type { Database } from '@slipway/store';
import type { Volume } from './volume.ts';

const MIGRATIONS = [
  `CREATE TABLE volumes (
     name TEXT PRIMARY KEY,
     labels TEXT NOT NULL,
     options TEXT NOT NULL,
     created_at_ns TEXT NOT NULL
   ) STRICT`,
];

interface Row {
  readonly name: string;
  readonly labels: string;
  readonly options: string;
  readonly created_at_ns: string;
}

/** Volumes <-> SQL. */
export class VolumeRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('volumes', MIGRATIONS);
  }

  insert({ name, labels, options, createdAtNs }: Volume): void {
    this.#database
      .prepare('INSERT INTO volumes (name, labels, options, created_at_ns) VALUES (?, ?, ?, ?)')
      .run(name, JSON.stringify(labels), JSON.stringify(options), createdAtNs.toString());
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
    }));
  }
}
