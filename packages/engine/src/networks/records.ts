import type { BridgeNetwork } from '@slipway/network';
import type { Database } from '@slipway/store';
import type { Network } from './network.ts';

const MIGRATIONS = [
  `CREATE TABLE networks (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     driver TEXT NOT NULL,
     created_at_ns TEXT NOT NULL,
     settings TEXT NOT NULL,
     bridge TEXT
   ) STRICT`,
];

interface Row {
  readonly id: string;
  readonly name: string;
  readonly driver: Network['driver'];
  readonly created_at_ns: string;
  readonly settings: string;
  readonly bridge: string | null;
}

type Settings = Pick<Network, 'attachable' | 'labels' | 'options' | 'ipamDriver' | 'ipamOptions'>;

/** Networks <-> SQL. */
export class NetworkRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('networks', MIGRATIONS);
  }

  insert({ id, name, driver, createdAtNs, bridge, ...settings }: Network): void {
    this.#database
      .prepare(
        'INSERT INTO networks (id, name, driver, created_at_ns, settings, bridge) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(
        id,
        name,
        driver,
        createdAtNs.toString(),
        JSON.stringify(settings),
        bridge === undefined ? null : JSON.stringify(bridge),
      );
  }

  delete(id: string): void {
    this.#database.prepare('DELETE FROM networks WHERE id = ?').run(id);
  }

  /** All of them, the oldest first. */
  load(): Network[] {
    const rows = this.#database.prepare('SELECT * FROM networks ORDER BY rowid').all() as unknown as Row[];
    return rows.map((row) => ({
      ...(JSON.parse(row.settings) as Settings),
      id: row.id,
      name: row.name,
      driver: row.driver,
      createdAtNs: BigInt(row.created_at_ns),
      bridge: row.bridge === null ? undefined : (JSON.parse(row.bridge) as BridgeNetwork),
    }));
  }
}
