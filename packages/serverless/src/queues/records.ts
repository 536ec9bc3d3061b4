import type { Database } from '@slipway/store';
import type { Queue, QueueSettings } from './queue.ts';

/** A message as it is kept. */
export interface MessageRecord {
  /** In the order of sending; the sequence number of a FIFO queue. */
  readonly id: number;
  readonly queueId: number;
  readonly messageId: string;
  readonly body: string;
  /** JSON. */
  readonly attributes: string;
  readonly traceHeader: string | undefined;
  readonly senderId: string;
  readonly sentAtMs: number;
  /** It can be received from then on. */
  readonly visibleAtMs: number;
  readonly firstReceivedAtMs: number | undefined;
  readonly receiveCount: number;
  /** Names its last receipt; undefined until it was received. */
  readonly receipt: string | undefined;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly deadLetterSourceArn: string | undefined;
}

export interface Counts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** Queues and their messages. All methods but `queues` are to be called in a transaction. */
export interface QueueRecords {
  queues(): Queue[];
  /** @returns its id */
  addQueue(queue: Omit<Queue, 'id'>): number;
  updateQueue(queue: Queue): void;
  deleteQueue(id: number): void;
  /** @returns how many there were */
  deleteMessages(queueId: number): number;
  /** Those sent before. @returns how many */
  expire(queueId: number, sentBeforeMs: number): number;
  /** @returns its id */
  insert(
    message: Omit<
      MessageRecord,
      'id' | 'firstReceivedAtMs' | 'receiveCount' | 'receipt' | 'deadLetterSourceArn'
    >,
  ): number;
  find(queueId: number, id: number): MessageRecord | undefined;
  /** Visible ones that were sent after, the longest visible first. */
  visible(queueId: number, nowMs: number, sentAfterMs: number, limit: number): MessageRecord[];
  /** The same of a FIFO queue: in order, and none of a message group that has one in flight. */
  visibleInOrder(queueId: number, nowMs: number, sentAfterMs: number, limit: number): MessageRecord[];
  /** When the next message after `nowMs` becomes visible. */
  nextVisibleMs(queueId: number, nowMs: number): number | undefined;
  receive(id: number, receipt: string, nowMs: number, visibleAtMs: number): void;
  setVisible(id: number, visibleAtMs: number): void;
  /** Gives it to another queue, as if it had never been received. */
  move(id: number, toQueueId: number, sourceArn: string, nowMs: number): void;
  delete(id: number): void;
  counts(queueId: number, nowMs: number): Counts;
  total(queueId: number): number;
  /** What was sent under a deduplication id that still holds. */
  findDuplicate(
    queueId: number,
    key: string,
    nowMs: number,
  ): { readonly id: number; readonly messageId: string } | undefined;
  addDuplicate(queueId: number, key: string, id: number, messageId: string, expiresAtMs: number): void;
  expireDuplicates(nowMs: number): void;
}

const MIGRATIONS = [
  `CREATE TABLE queues (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     name TEXT NOT NULL UNIQUE,
     arn TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL,
     modified_at_ms INTEGER NOT NULL,
     settings TEXT NOT NULL,
     tags TEXT NOT NULL
   ) STRICT;
   CREATE TABLE queue_messages (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     queue_id INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
     visible_at_ms INTEGER NOT NULL,
     sent_at_ms INTEGER NOT NULL,
     first_received_at_ms INTEGER,
     receive_count INTEGER NOT NULL DEFAULT 0,
     receipt TEXT,
     message_id TEXT NOT NULL,
     sender_id TEXT NOT NULL,
     group_id TEXT,
     deduplication_id TEXT,
     dead_letter_source_arn TEXT,
     trace_header TEXT,
     attributes TEXT NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX queue_messages_by_visibility ON queue_messages (queue_id, visible_at_ms);
   CREATE INDEX queue_messages_by_group ON queue_messages (queue_id, group_id, id) WHERE group_id IS NOT NULL;
   CREATE TABLE queue_deduplication (
     queue_id INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
     key TEXT NOT NULL,
     id INTEGER NOT NULL,
     message_id TEXT NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     PRIMARY KEY (queue_id, key)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX queue_deduplication_by_expiry ON queue_deduplication (expires_at_ms);`,
];

/** The records in `database`. */
export function openQueueRecords(database: Database): QueueRecords {
  database.migrate('queues', MIGRATIONS);
  const run = (sql: string, ...values: Array<string | number | null>) => database.prepare(sql).run(...values);
  const all = (sql: string, ...values: Array<string | number>) =>
    database
      .prepare(sql)
      .all(...values)
      .map(toMessage);
  return {
    queues: () => database.prepare('SELECT * FROM queues').all().map(toQueue),
    addQueue: (queue) =>
      Number(
        run(
          'INSERT INTO queues (name, arn, created_at_ms, modified_at_ms, settings, tags) VALUES (?, ?, ?, ?, ?, ?)',
          queue.name,
          queue.arn,
          queue.createdAtMs,
          queue.modifiedAtMs,
          JSON.stringify(queue.settings),
          JSON.stringify(queue.tags),
        ).lastInsertRowid,
      ),
    updateQueue: (queue) =>
      void run(
        'UPDATE queues SET modified_at_ms = ?, settings = ?, tags = ? WHERE id = ?',
        queue.modifiedAtMs,
        JSON.stringify(queue.settings),
        JSON.stringify(queue.tags),
        queue.id,
      ),
    deleteQueue: (id) => void run('DELETE FROM queues WHERE id = ?', id),
    deleteMessages: (queueId) =>
      Number(run('DELETE FROM queue_messages WHERE queue_id = ?', queueId).changes),
    expire: (queueId, sentBeforeMs) =>
      Number(
        run('DELETE FROM queue_messages WHERE queue_id = ? AND sent_at_ms < ?', queueId, sentBeforeMs)
          .changes,
      ),
    insert: (message) =>
      Number(
        run(
          `INSERT INTO queue_messages (queue_id, visible_at_ms, sent_at_ms, message_id, sender_id, group_id,
             deduplication_id, trace_header, attributes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          message.queueId,
          message.visibleAtMs,
          message.sentAtMs,
          message.messageId,
          message.senderId,
          message.groupId ?? null,
          message.deduplicationId ?? null,
          message.traceHeader ?? null,
          message.attributes,
          message.body,
        ).lastInsertRowid,
      ),
    find: (queueId, id) => all('SELECT * FROM queue_messages WHERE id = ? AND queue_id = ?', id, queueId)[0],
    visible: (queueId, nowMs, sentAfterMs, limit) =>
      all(
        `SELECT * FROM queue_messages WHERE queue_id = ? AND visible_at_ms <= ? AND sent_at_ms >= ?
           ORDER BY visible_at_ms, id LIMIT ?`,
        queueId,
        nowMs,
        sentAfterMs,
        limit,
      ),
    visibleInOrder: (queueId, nowMs, sentAfterMs, limit) =>
      all(
        `SELECT * FROM queue_messages AS message WHERE queue_id = ? AND visible_at_ms <= ? AND sent_at_ms >= ?
           AND group_id NOT IN (
             SELECT group_id FROM queue_messages WHERE queue_id = ? AND visible_at_ms > ? AND receipt IS NOT NULL)
           AND NOT EXISTS (
             SELECT 1 FROM queue_messages AS earlier WHERE earlier.queue_id = message.queue_id
               AND earlier.group_id = message.group_id AND earlier.id < message.id AND earlier.visible_at_ms > ?)
           ORDER BY id LIMIT ?`,
        queueId,
        nowMs,
        sentAfterMs,
        queueId,
        nowMs,
        nowMs,
        limit,
      ),
    nextVisibleMs: (queueId, nowMs) => {
      const row = database
        .prepare(
          'SELECT min(visible_at_ms) AS at FROM queue_messages WHERE queue_id = ? AND visible_at_ms > ?',
        )
        .get(queueId, nowMs);
      return row === undefined || row.at === null ? undefined : Number(row.at);
    },
    receive: (id, receipt, nowMs, visibleAtMs) =>
      void run(
        `UPDATE queue_messages SET receipt = ?, receive_count = receive_count + 1, visible_at_ms = ?,
           first_received_at_ms = coalesce(first_received_at_ms, ?) WHERE id = ?`,
        receipt,
        visibleAtMs,
        nowMs,
        id,
      ),
    setVisible: (id, visibleAtMs) =>
      void run('UPDATE queue_messages SET visible_at_ms = ? WHERE id = ?', visibleAtMs, id),
    move: (id, toQueueId, sourceArn, nowMs) =>
      void run(
        `UPDATE queue_messages SET queue_id = ?, dead_letter_source_arn = ?, visible_at_ms = ?, receive_count = 0,
           first_received_at_ms = NULL, receipt = NULL WHERE id = ?`,
        toQueueId,
        sourceArn,
        nowMs,
        id,
      ),
    delete: (id) => void run('DELETE FROM queue_messages WHERE id = ?', id),
    counts: (queueId, nowMs) => {
      const row = database
        .prepare(
          `SELECT count(*) FILTER (WHERE visible_at_ms <= :now) AS visible,
             count(*) FILTER (WHERE visible_at_ms > :now AND receipt IS NOT NULL) AS in_flight,
             count(*) FILTER (WHERE visible_at_ms > :now AND receipt IS NULL) AS delayed
           FROM queue_messages WHERE queue_id = :queue`,
        )
        .get({ now: nowMs, queue: queueId });
      return {
        visible: Number(row?.visible),
        inFlight: Number(row?.in_flight),
        delayed: Number(row?.delayed),
      };
    },
    total: (queueId) =>
      Number(
        database.prepare('SELECT count(*) AS total FROM queue_messages WHERE queue_id = ?').get(queueId)
          ?.total,
      ),
    findDuplicate: (queueId, key, nowMs) => {
      const row = database
        .prepare(
          'SELECT id, message_id FROM queue_deduplication WHERE queue_id = ? AND key = ? AND expires_at_ms > ?',
        )
        .get(queueId, key, nowMs);
      return row === undefined ? undefined : { id: Number(row.id), messageId: String(row.message_id) };
    },
    addDuplicate: (queueId, key, id, messageId, expiresAtMs) =>
      void run(
        'INSERT OR REPLACE INTO queue_deduplication (queue_id, key, id, message_id, expires_at_ms) VALUES (?, ?, ?, ?, ?)',
        queueId,
        key,
        id,
        messageId,
        expiresAtMs,
      ),
    expireDuplicates: (nowMs) => void run('DELETE FROM queue_deduplication WHERE expires_at_ms <= ?', nowMs),
  };
}

type Row = Record<string, unknown>;

const toQueue = (row: Row): Queue => ({
  id: Number(row.id),
  name: String(row.name),
  arn: String(row.arn),
  createdAtMs: Number(row.created_at_ms),
  modifiedAtMs: Number(row.modified_at_ms),
  settings: JSON.parse(String(row.settings)) as QueueSettings,
  tags: JSON.parse(String(row.tags)) as Record<string, string>,
});

const toMessage = (row: Row): MessageRecord => ({
  id: Number(row.id),
  queueId: Number(row.queue_id),
  messageId: String(row.message_id),
  body: String(row.body),
  attributes: String(row.attributes),
  traceHeader: text(row.trace_header),
  senderId: String(row.sender_id),
  sentAtMs: Number(row.sent_at_ms),
  visibleAtMs: Number(row.visible_at_ms),
  firstReceivedAtMs: row.first_received_at_ms === null ? undefined : Number(row.first_received_at_ms),
  receiveCount: Number(row.receive_count),
  receipt: text(row.receipt),
  groupId: text(row.group_id),
  deduplicationId: text(row.deduplication_id),
  deadLetterSourceArn: text(row.dead_letter_source_arn),
});

const text = (value: unknown): string | undefined => (value === null ? undefined : String(value));
