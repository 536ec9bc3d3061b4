import type { Database } from '@slipway/store';

const MIGRATIONS = [
  `CREATE TABLE log_groups (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     name TEXT NOT NULL UNIQUE,
     created_at_ms INTEGER NOT NULL,
     retention_days INTEGER,
     tags TEXT NOT NULL DEFAULT '{}'
   ) STRICT;
   CREATE TABLE log_streams (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     group_id INTEGER NOT NULL REFERENCES log_groups (id) ON DELETE CASCADE,
     name TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL,
     first_event_ms INTEGER,
     last_event_ms INTEGER,
     last_ingestion_ms INTEGER,
     UNIQUE (group_id, name)
   ) STRICT;
   CREATE INDEX log_streams_by_time ON log_streams (group_id, last_event_ms);
   CREATE TABLE log_segments (
     stream_id INTEGER NOT NULL REFERENCES log_streams (id) ON DELETE CASCADE,
     offset INTEGER NOT NULL,
     size_bytes INTEGER NOT NULL,
     first_event_ms INTEGER NOT NULL,
     last_event_ms INTEGER NOT NULL,
     PRIMARY KEY (stream_id, offset)
   ) STRICT, WITHOUT ROWID`,
];

export interface LogGroup {
  readonly id: number;
  readonly name: string;
  readonly createdAtMs: number;
  /** Undefined: lines are kept until the group is full. */
  readonly retentionDays: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

export interface LogStream {
  readonly id: number;
  readonly groupId: number;
  readonly name: string;
  readonly createdAtMs: number;
  readonly firstEventMs: number | undefined;
  readonly lastEventMs: number | undefined;
  readonly lastIngestionMs: number | undefined;
}

/** A file of a stream's lines. */
export interface Segment {
  readonly streamId: number;
  /** Of its first byte in the stream. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly firstEventMs: number;
  readonly lastEventMs: number;
}

/** A segment with the stream it belongs to. */
export interface StreamSegment extends Segment {
  readonly streamName: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Groups, streams and which files hold their lines <-> SQL. The lines themselves are in the files. */
export class LogRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('logs', MIGRATIONS);
  }

  /** One transaction that a loss of power may take back, as it takes the lines that it tells of. */
  batch(work: () => void): void {
    this.#database.relaxed(work);
  }

  findGroup(name: string): LogGroup | undefined {
    const row = this.#database.prepare('SELECT * FROM log_groups WHERE name = ?').get(name);
    return row && toGroup(row);
  }

  /** In the order of their names, after `after`. */
  listGroups(match: { prefix: string; part: string; after: string; limit: number }): LogGroup[] {
    return this.#database
      .prepare(
        `SELECT * FROM log_groups WHERE name > ? AND substr(name, 1, length(?)) = ? AND (? = '' OR instr(name, ?) > 0)
         ORDER BY name LIMIT ?`,
      )
      .all(match.after, match.prefix, match.prefix, match.part, match.part, match.limit)
      .map(toGroup);
  }

  insertGroup(name: string, createdAtMs: number, tags: Readonly<Record<string, string>>): LogGroup {
    const row = this.#database
      .prepare('INSERT INTO log_groups (name, created_at_ms, tags) VALUES (?, ?, ?) RETURNING *')
      .get(name, createdAtMs, JSON.stringify(tags));
    return toGroup(row as Row);
  }

  updateGroup({ id, retentionDays, tags }: LogGroup): void {
    this.#database
      .prepare('UPDATE log_groups SET retention_days = ?, tags = ? WHERE id = ?')
      .run(retentionDays ?? null, JSON.stringify(tags), id);
  }

  deleteGroup(id: number): void {
    this.#database.prepare('DELETE FROM log_groups WHERE id = ?').run(id);
  }

  groupIds(): Set<number> {
    return new Set(
      this.#database
        .prepare('SELECT id FROM log_groups')
        .all()
        .map((row) => Number(row['id'])),
    );
  }

  findStream(groupId: number, name: string): LogStream | undefined {
    const row = this.#database
      .prepare('SELECT * FROM log_streams WHERE group_id = ? AND name = ?')
      .get(groupId, name);
    return row && toStream(row);
  }

  insertStream(groupId: number, name: string, createdAtMs: number): LogStream {
    const row = this.#database
      .prepare('INSERT INTO log_streams (group_id, name, created_at_ms) VALUES (?, ?, ?) RETURNING *')
      .get(groupId, name, createdAtMs);
    return toStream(row as Row);
  }

  deleteStream(id: number): void {
    this.#database.prepare('DELETE FROM log_streams WHERE id = ?').run(id);
  }

  /** All of a group, unordered. */
  streams(groupId: number): LogStream[] {
    return this.#database.prepare('SELECT * FROM log_streams WHERE group_id = ?').all(groupId).map(toStream);
  }

  /** The files of these streams, or of all of the group, that may hold lines of this time. */
  segments(groupId: number, fromMs: number, toMs: number): StreamSegment[] {
    return this.#database
      .prepare(
        `SELECT log_segments.*, log_streams.name FROM log_segments JOIN log_streams ON id = stream_id
         WHERE group_id = ? AND log_segments.last_event_ms >= ? AND log_segments.first_event_ms < ?`,
      )
      .all(groupId, fromMs, toMs)
      .map((row) => ({ ...toSegment(row), streamName: String(row['name']) }));
  }

  segmentsOf(streamId: number): Segment[] {
    return this.#database
      .prepare('SELECT * FROM log_segments WHERE stream_id = ? ORDER BY offset')
      .all(streamId)
      .map(toSegment);
  }

  /** The file that each stream writes, or wrote last. */
  lastSegments(): (Segment & { readonly groupId: number })[] {
    return this.#database
      .prepare(
        `SELECT log_segments.*, group_id, max(offset) FROM log_segments JOIN log_streams ON id = stream_id GROUP BY stream_id`,
      )
      .all()
      .map((row) => ({ ...toSegment(row), groupId: Number(row['group_id']) }));
  }

  /** Adds or grows a segment, and tells its stream. */
  saveSegment(segment: Segment, ingestedAtMs: number): void {
    const { streamId, offset, sizeBytes, firstEventMs, lastEventMs } = segment;
    this.#database
      .prepare(
        `INSERT INTO log_segments (stream_id, offset, size_bytes, first_event_ms, last_event_ms) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (stream_id, offset) DO UPDATE SET size_bytes = excluded.size_bytes,
           first_event_ms = excluded.first_event_ms, last_event_ms = excluded.last_event_ms`,
      )
      .run(streamId, offset, sizeBytes, firstEventMs, lastEventMs);
    this.#database
      .prepare(
        `UPDATE log_streams SET first_event_ms = min(coalesce(first_event_ms, ?1), ?1),
           last_event_ms = max(coalesce(last_event_ms, ?2), ?2), last_ingestion_ms = ?3 WHERE id = ?4`,
      )
      .run(firstEventMs, lastEventMs, ingestedAtMs, streamId);
  }

  deleteSegment({ streamId, offset }: Segment): void {
    this.#database
      .prepare('DELETE FROM log_segments WHERE stream_id = ? AND offset = ?')
      .run(streamId, offset);
  }

  /** In bytes, of all groups. */
  sizes(): Map<number, number> {
    const rows = this.#database
      .prepare(
        'SELECT group_id, sum(size_bytes) AS size FROM log_segments JOIN log_streams ON id = stream_id GROUP BY group_id',
      )
      .all();
    return new Map(rows.map((row) => [Number(row['group_id']), Number(row['size'])]));
  }

  /** The segments that a group should lose first: whose last line is the oldest. */
  oldestSegments(groupId: number, limit: number): Segment[] {
    return this.#database
      .prepare(
        `SELECT log_segments.* FROM log_segments JOIN log_streams ON id = stream_id WHERE group_id = ?
         ORDER BY log_segments.last_event_ms, offset LIMIT ?`,
      )
      .all(groupId, limit)
      .map(toSegment);
  }
}

const optional = (value: unknown): number | undefined => (value == null ? undefined : Number(value));

const toGroup = (row: Row): LogGroup => ({
  id: Number(row['id']),
  name: String(row['name']),
  createdAtMs: Number(row['created_at_ms']),
  retentionDays: optional(row['retention_days']),
  tags: JSON.parse(String(row['tags'])) as Record<string, string>,
});

const toStream = (row: Row): LogStream => ({
  id: Number(row['id']),
  groupId: Number(row['group_id']),
  name: String(row['name']),
  createdAtMs: Number(row['created_at_ms']),
  firstEventMs: optional(row['first_event_ms']),
  lastEventMs: optional(row['last_event_ms']),
  lastIngestionMs: optional(row['last_ingestion_ms']),
});

const toSegment = (row: Row): Segment => ({
  streamId: Number(row['stream_id']),
  offset: Number(row['offset']),
  sizeBytes: Number(row['size_bytes']),
  firstEventMs: Number(row['first_event_ms']),
  lastEventMs: Number(row['last_event_ms']),
});
