import type { Descriptor, ImageConfig, ImageId } from '@slipway/oci';
import type { Database } from '@slipway/store';
import type { ImageRecord } from './image.ts';

const MIGRATIONS = [
  `CREATE TABLE images (
     id TEXT PRIMARY KEY,
     manifest TEXT NOT NULL,
     layers TEXT NOT NULL,
     document TEXT NOT NULL,
     size_bytes INTEGER NOT NULL,
     added_at_ms INTEGER NOT NULL,
     last_tagged_at_ms INTEGER
   ) STRICT;
   CREATE TABLE image_references (
     name TEXT PRIMARY KEY,
     image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX image_references_by_image ON image_references (image_id);`,
  `CREATE TABLE image_indexes (
     name TEXT PRIMARY KEY REFERENCES image_references (name) ON DELETE CASCADE,
     descriptor TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;`,
];

interface ImageRow {
  readonly id: string;
  readonly manifest: string;
  readonly layers: string;
  readonly document: string;
  readonly size_bytes: number;
  readonly added_at_ms: number;
  readonly last_tagged_at_ms: number | null;
}

/** A name in full form (`docker.io/library/busybox:latest`) and the image it stands for. */
export interface ReferenceRecord {
  readonly name: string;
  readonly imageId: ImageId;
}

/** Images and their names <-> SQL. */
export class ImageRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('images', MIGRATIONS);
  }

  transaction<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  images(): ImageRecord[] {
    return (this.#database.prepare('SELECT * FROM images').all() as unknown as ImageRow[]).map(fromRow);
  }

  references(): ReferenceRecord[] {
    return this.#database
      .prepare('SELECT name, image_id AS imageId FROM image_references')
      .all() as unknown as ReferenceRecord[];
  }

  insert(record: ImageRecord): void {
    this.#database
      .prepare(
        `INSERT INTO images (id, manifest, layers, document, size_bytes, added_at_ms, last_tagged_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        record.id,
        JSON.stringify(record.manifest),
        JSON.stringify(record.layers),
        JSON.stringify(record.document),
        record.sizeBytes,
        record.addedAtMs,
        record.lastTaggedAtMs ?? null,
      );
  }

  /** The names that stand for an index, of which their image is one. */
  indexes(): { readonly name: string; readonly descriptor: Descriptor }[] {
    return this.#database
      .prepare('SELECT name, descriptor FROM image_indexes')
      .all()
      .map((row) => ({
        name: row.name as string,
        descriptor: JSON.parse(row.descriptor as string) as Descriptor,
      }));
  }

  /** Points the name at the image, and at an index where that is given, whatever it pointed at before. */
  putReference(name: string, id: ImageId, taggedAtMs: number, index?: Descriptor): void {
    this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM image_indexes WHERE name = ?').run(name);
      this.#database
        .prepare(
          `INSERT INTO image_references (name, image_id) VALUES (?, ?)
           ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id`,
        )
        .run(name, id);
      this.#database.prepare('UPDATE images SET last_tagged_at_ms = ? WHERE id = ?').run(taggedAtMs, id);
      if (index === undefined) return;
      this.#database
        .prepare('INSERT INTO image_indexes (name, descriptor) VALUES (?, ?)')
        .run(name, JSON.stringify(index));
    });
  }

  deleteReference(name: string): void {
    this.#database.prepare('DELETE FROM image_references WHERE name = ?').run(name);
  }

  /** Its names go with it. */
  delete(id: ImageId): void {
    this.#database.prepare('DELETE FROM images WHERE id = ?').run(id);
  }
}

function fromRow(row: ImageRow): ImageRecord {
  return {
    id: row.id as ImageId,
    manifest: JSON.parse(row.manifest) as Descriptor,
    layers: JSON.parse(row.layers) as Descriptor[],
    document: JSON.parse(row.document) as ImageConfig,
    sizeBytes: row.size_bytes,
    addedAtMs: row.added_at_ms,
    lastTaggedAtMs: row.last_tagged_at_ms ?? undefined,
  };
}
