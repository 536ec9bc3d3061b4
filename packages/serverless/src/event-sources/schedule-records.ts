import type { Database } from '@slipway/store';
import type { Delivery, Schedule } from './schedule.ts';

export interface DeliveryRecord {
  readonly id: number;
  readonly delivery: Delivery;
  readonly dueAtMs: number;
}

/** Schedules, when each is due next, and what was due and is not delivered. */
export interface ScheduleRecords {
  list(): Array<{ readonly schedule: Schedule; readonly dueAtMs: number | undefined }>;
  save(schedule: Schedule, dueAtMs: number | undefined): void;
  delete(name: string): void;
  /** To be called in a transaction. */
  addDelivery(delivery: Delivery, dueAtMs: number): number;
  deliveries(): DeliveryRecord[];
  postponeDelivery(id: number, delivery: Delivery, dueAtMs: number): void;
  deleteDelivery(id: number): void;
  transaction(work: () => void): void;
}

const MIGRATIONS = [
  `CREATE TABLE schedules (name TEXT PRIMARY KEY, schedule TEXT NOT NULL, due_at_ms INTEGER) STRICT, WITHOUT ROWID;
   CREATE TABLE schedule_deliveries (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     delivery TEXT NOT NULL,
     due_at_ms INTEGER NOT NULL
   ) STRICT;`,
];

/** The records in `database`. */
export function openScheduleRecords(database: Database): ScheduleRecords {
  database.migrate('schedules', MIGRATIONS);
  return {
    list: () =>
      database
        .prepare('SELECT schedule, due_at_ms FROM schedules ORDER BY name')
        .all()
        .map((row) => ({
          schedule: JSON.parse(String(row.schedule)) as Schedule,
          dueAtMs: row.due_at_ms === null ? undefined : Number(row.due_at_ms),
        })),
    save: (schedule, dueAtMs) =>
      database.transaction(() => {
        database
          .prepare('INSERT OR REPLACE INTO schedules (name, schedule, due_at_ms) VALUES (?, ?, ?)')
          .run(schedule.name, JSON.stringify(schedule), dueAtMs ?? null);
      }),
    delete: (name) =>
      database.transaction(() => {
        database.prepare('DELETE FROM schedules WHERE name = ?').run(name);
      }),
    addDelivery: (delivery, dueAtMs) =>
      Number(
        database
          .prepare('INSERT INTO schedule_deliveries (delivery, due_at_ms) VALUES (?, ?)')
          .run(JSON.stringify(delivery), dueAtMs).lastInsertRowid,
      ),
    deliveries: () =>
      database
        .prepare('SELECT id, delivery, due_at_ms FROM schedule_deliveries ORDER BY id')
        .all()
        .map((row) => ({
          id: Number(row.id),
          delivery: JSON.parse(String(row.delivery)) as Delivery,
          dueAtMs: Number(row.due_at_ms),
        })),
    postponeDelivery: (id, delivery, dueAtMs) =>
      database.relaxed(() => {
        database
          .prepare('UPDATE schedule_deliveries SET delivery = ?, due_at_ms = ? WHERE id = ?')
          .run(JSON.stringify(delivery), dueAtMs, id);
      }),
    deleteDelivery: (id) =>
      database.relaxed(() => {
        database.prepare('DELETE FROM schedule_deliveries WHERE id = ?').run(id);
      }),
    transaction: (work) => database.transaction(work),
  };
}
