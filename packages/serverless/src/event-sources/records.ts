import type { Database } from '@slipway/store';
import type { Mapping } from './mapping.ts';

/** Mappings, and how far directories were read. */
export interface MappingRecords {
  list(): Mapping[];
  save(mapping: Mapping): void;
  /** With its cursor. */
  delete(uuid: string): void;
  readonly cursors: DirectoryCursors;
}

/** What is known of the files in a directory: each one's version, by its key. */
export interface DirectoryCursors {
  /** Undefined when the directory was never read for this mapping. */
  read(uuid: string): Map<string, string> | undefined;
  /** Begins with what is there. */
  begin(uuid: string, versions: ReadonlyMap<string, string>): void;
  set(uuid: string, versions: ReadonlyMap<string, string>): void;
  forget(uuid: string, keys: readonly string[]): void;
}

const MIGRATIONS = [
  `CREATE TABLE event_source_mappings (
     uuid TEXT PRIMARY KEY,
     mapping TEXT NOT NULL,
     directory_read INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE watched_objects (
     mapping_uuid TEXT NOT NULL REFERENCES event_source_mappings (uuid) ON DELETE CASCADE,
     key TEXT NOT NULL,
     version TEXT NOT NULL,
     PRIMARY KEY (mapping_uuid, key)
   ) STRICT, WITHOUT ROWID;`,
];

/** The records in `database`. */
export function openMappingRecords(database: Database): MappingRecords {
  database.migrate('event-sources', MIGRATIONS);
  const set = (uuid: string, versions: ReadonlyMap<string, string>) => {
    for (const [key, version] of versions) {
      database
        .prepare('INSERT OR REPLACE INTO watched_objects (mapping_uuid, key, version) VALUES (?, ?, ?)')
        .run(uuid, key, version);
    }
  };
  return {
    list: () =>
      database
        .prepare('SELECT mapping FROM event_source_mappings ORDER BY uuid')
        .all()
        .map((row) => JSON.parse(String(row.mapping)) as Mapping),
    save: (mapping) =>
      database.transaction(() => {
        database
          .prepare(
            `INSERT INTO event_source_mappings (uuid, mapping) VALUES (?, ?)
               ON CONFLICT (uuid) DO UPDATE SET mapping = excluded.mapping`,
          )
          .run(mapping.uuid, JSON.stringify(mapping));
      }),
    delete: (uuid) =>
      database.transaction(() => {
        database.prepare('DELETE FROM event_source_mappings WHERE uuid = ?').run(uuid);
      }),
    cursors: {
      read: (uuid) => {
        const row = database
          .prepare('SELECT directory_read FROM event_source_mappings WHERE uuid = ?')
          .get(uuid);
        if (Number(row?.directory_read ?? 0) === 0) return undefined;
        const rows = database
          .prepare('SELECT key, version FROM watched_objects WHERE mapping_uuid = ?')
          .all(uuid);
        return new Map(rows.map((object) => [String(object.key), String(object.version)]));
      },
      begin: (uuid, versions) =>
        database.transaction(() => {
          database.prepare('UPDATE event_source_mappings SET directory_read = 1 WHERE uuid = ?').run(uuid);
          set(uuid, versions);
        }),
      set: (uuid, versions) => database.transaction(() => set(uuid, versions)),
      forget: (uuid, keys) =>
        database.relaxed(() => {
          for (const key of keys) {
            database.prepare('DELETE FROM watched_objects WHERE mapping_uuid = ? AND key = ?').run(uuid, key);
          }
        }),
    },
  };
}
