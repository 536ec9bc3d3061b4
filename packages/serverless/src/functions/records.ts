import type { Digest, ImageId } from '@slipway/oci';
import type { Database } from '@slipway/store';
import { type FunctionRecord, type LayerRecord, type VersionRecord, versionsOf } from './function-record.ts';

const MIGRATIONS = [
  `CREATE TABLE functions (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE function_versions (
     function TEXT NOT NULL REFERENCES functions (name) ON DELETE CASCADE,
     version TEXT NOT NULL,
     document TEXT NOT NULL,
     PRIMARY KEY (function, version)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE function_layers (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID`,
];

/** What is written of a function beside its versions, which have rows of their own: they are many and never change. */
type FunctionDocument = Omit<FunctionRecord, 'latest' | 'published'>;

/** Functions, their versions and layers <-> SQL. */
export class FunctionRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('functions', MIGRATIONS);
  }

  loadFunctions(): FunctionRecord[] {
    const versions = new Map<string, VersionRecord[]>();
    for (const row of this.#database.prepare('SELECT function, document FROM function_versions').all()) {
      const name = String(row['function']);
      const known = versions.get(name) ?? [];
      known.push(JSON.parse(String(row['document'])) as VersionRecord);
      versions.set(name, known);
    }
    return this.#documents<FunctionDocument>('functions').map((document) => {
      const own = versions.get(document.name) ?? [];
      const latest = own.find(({ version }) => version === '$LATEST') as VersionRecord;
      const published = own.filter((version) => version !== latest).map((one) => [one.version, one] as const);
      // What JSON leaves out is undefined again by being absent.
      return { ...document, latest, published: Object.fromEntries(published) };
    });
  }

  loadLayers(): LayerRecord[] {
    return this.#documents<LayerRecord>('function_layers');
  }

  /** Writes what differs from `before`; on disk when it returns. */
  saveFunction(record: FunctionRecord, before: FunctionRecord | undefined): void {
    const { latest: _latest, published: _published, ...document } = record;
    const known = new Set(before === undefined ? [] : versionsOf(before));
    const kept = new Set(versionsOf(record).map(({ version }) => version));
    this.#database.transaction(() => {
      this.#write('functions', record.name, document satisfies FunctionDocument);
      for (const version of versionsOf(record)) {
        if (!known.has(version)) this.#writeVersion(record.name, version);
      }
      for (const { version } of known) {
        if (kept.has(version)) continue;
        this.#database
          .prepare('DELETE FROM function_versions WHERE function = ? AND version = ?')
          .run(record.name, version);
      }
    });
  }

  deleteFunction(name: string): void {
    this.#database.prepare('DELETE FROM functions WHERE name = ?').run(name);
  }

  saveLayer(record: LayerRecord): void {
    this.#write('function_layers', record.name, record);
  }

  #documents<T>(table: 'functions' | 'function_layers'): T[] {
    return this.#database
      .prepare(`SELECT document FROM ${table}`)
      .all()
      .map((row) => JSON.parse(String(row['document'])) as T);
  }

  #write(table: 'functions' | 'function_layers', name: string, document: object): void {
    this.#database
      .prepare(
        `INSERT INTO ${table} (name, document) VALUES (?, ?)
         ON CONFLICT (name) DO UPDATE SET document = excluded.document`,
      )
      .run(name, JSON.stringify(document));
  }

  #writeVersion(name: string, version: VersionRecord): void {
    this.#database
      .prepare(
        `INSERT INTO function_versions (function, version, document) VALUES (?, ?, ?)
         ON CONFLICT (function, version) DO UPDATE SET document = excluded.document`,
      )
      .run(name, version.version, JSON.stringify(version));
  }
}

/** Code that a record needs. */
export interface NamedCode {
  /** Packages, of functions and layers. */
  readonly zips: readonly Digest[];
  readonly images: readonly ImageId[];
}

/** What a function's versions need, with their layers. */
export function codeOf(record: FunctionRecord): NamedCode {
  const versions = [...versionsOf(record), ...(record.previous === undefined ? [] : [record.previous])];
  return {
    zips: versions.flatMap(({ code, configuration }) => [
      ...(code.kind === 'Zip' ? [code.digest] : []),
      ...configuration.layers.map((layer) => layer.code.digest),
    ]),
    images: versions.flatMap(({ code }) =>
      code.kind === 'Image' && code.resolved !== undefined ? [code.resolved.id] : [],
    ),
  };
}

/** What a layer's versions need. */
export const layerCodeOf = ({ versions }: LayerRecord): Digest[] =>
  Object.values(versions).map(({ code }) => code.digest);

/** All packages that the records in a database name, for who collects garbage before the functions are opened. */
export function keptZips(database: Database): Digest[] {
  const records = new FunctionRecords(database);
  return [
    ...records.loadFunctions().flatMap((record) => codeOf(record).zips),
    ...records.loadLayers().flatMap(layerCodeOf),
  ];
}
