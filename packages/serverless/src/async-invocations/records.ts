import type { Database } from '@slipway/store';
import type { EventState } from './state.ts';

/** An accepted event as it is kept. */
export interface EventRecord {
  readonly id: number;
  readonly functionName: string;
  readonly qualifier: string | undefined;
  readonly requestId: string;
  readonly clientContext: string | undefined;
  readonly traceId: string | undefined;
  readonly hops: number;
  readonly state: EventState;
  readonly payload: Uint8Array;
}

/** How much waits for one function. */
export interface Backlog {
  readonly functionName: string;
  readonly count: number;
  readonly sizeBytes: number;
}

/** The events that were accepted and are not done with. */
export interface EventRecords {
  /** To be called in a transaction that is synced before the client is answered. */
  insert(event: Omit<EventRecord, 'id'>): void;
  get(id: number): EventRecord;
  /** The ids of what is due for a function, the longest due first. */
  due(functionName: string, nowMs: number, limit: number): number[];
  /** When the next event after `nowMs` is due. */
  nextDueMs(functionName: string, nowMs: number): number | undefined;
  postpone(id: number, state: EventState, dueAtMs: number): void;
  delete(id: number): void;
  backlogs(): Backlog[];
}

const MIGRATIONS = [
  `CREATE TABLE async_events (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     function_name TEXT NOT NULL,
     due_at_ms INTEGER NOT NULL,
     accepted_at_ms INTEGER NOT NULL,
     attempts INTEGER NOT NULL,
     refusals INTEGER NOT NULL,
     request_id TEXT NOT NULL,
     qualifier TEXT,
     client_context TEXT,
     trace_id TEXT,
     hops INTEGER NOT NULL,
     payload BLOB NOT NULL
   ) STRICT;
   CREATE INDEX async_events_by_due ON async_events (function_name, due_at_ms);`,
];

/** The records in `database`. */
export function openEventRecords(database: Database): EventRecords {
  database.migrate('async-invocations', MIGRATIONS);
  return {
    insert: (event) => {
      database
        .prepare(
          `INSERT INTO async_events (function_name, due_at_ms, accepted_at_ms, attempts, refusals, request_id, qualifier,
             client_context, trace_id, hops, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          event.functionName,
          event.state.acceptedAtMs,
          event.state.acceptedAtMs,
          event.state.attempts,
          event.state.refusals,
          event.requestId,
          event.qualifier ?? null,
          event.clientContext ?? null,
          event.traceId ?? null,
          event.hops,
          event.payload,
        );
    },
    get: (id) => {
      const row = database.prepare('SELECT * FROM async_events WHERE id = ?').get(id);
      if (row === undefined) throw new Error(`the asynchronous event ${id} has no record`);
      return {
        id,
        functionName: String(row.function_name),
        qualifier: text(row.qualifier),
        requestId: String(row.request_id),
        clientContext: text(row.client_context),
        traceId: text(row.trace_id),
        hops: Number(row.hops),
        state: {
          acceptedAtMs: Number(row.accepted_at_ms),
          attempts: Number(row.attempts),
          refusals: Number(row.refusals),
        },
        payload: row.payload as Uint8Array,
      };
    },
    due: (functionName, nowMs, limit) =>
      database
        .prepare(
          'SELECT id FROM async_events WHERE function_name = ? AND due_at_ms <= ? ORDER BY due_at_ms, id LIMIT ?',
        )
        .all(functionName, nowMs, limit)
        .map((row) => Number(row.id)),
    nextDueMs: (functionName, nowMs) => {
      const row = database
        .prepare('SELECT min(due_at_ms) AS due FROM async_events WHERE function_name = ? AND due_at_ms > ?')
        .get(functionName, nowMs);
      return row?.due === null || row === undefined ? undefined : Number(row.due);
    },
    postpone: (id, state, dueAtMs) => {
      database
        .prepare('UPDATE async_events SET attempts = ?, refusals = ?, due_at_ms = ? WHERE id = ?')
        .run(state.attempts, state.refusals, dueAtMs, id);
    },
    delete: (id) => {
      database.prepare('DELETE FROM async_events WHERE id = ?').run(id);
    },
    backlogs: () =>
      database
        .prepare(
          'SELECT function_name, count(*) AS count, sum(length(payload)) AS size FROM async_events GROUP BY function_name',
        )
        .all()
        .map((row) => ({
          functionName: String(row.function_name),
          count: Number(row.count),
          sizeBytes: Number(row.size),
        })),
  };
}

const text = (value: unknown): string | undefined => (value === null ? undefined : String(value));
