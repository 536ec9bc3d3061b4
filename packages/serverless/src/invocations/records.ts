import type { Database } from '@slipway/store';

/** An invocation that ended in a function's error, so that it can be run again. */
export interface FailureRecord {
  readonly requestId: string;
  readonly functionName: string;
  readonly version: string;
  readonly invokedArn: string;
  readonly atMs: number;
  /** What the function was given. */
  readonly payload: Uint8Array;
  readonly clientContext: string | undefined;
  /** What it answered: JSON with `errorType` and `errorMessage`. */
  readonly error: string;
}

const MIGRATIONS = [
  `CREATE TABLE failed_invocations (
    request_id TEXT PRIMARY KEY,
    function_name TEXT NOT NULL,
    version TEXT NOT NULL,
    invoked_arn TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL,
    client_context TEXT,
    error TEXT NOT NULL
  ) STRICT;
  CREATE INDEX failed_invocations_of ON failed_invocations (function_name, at_ms);`,
];

const COLUMNS =
  'request_id, function_name, version, invoked_arn, at_ms, payload, client_context, error' as const;

/** The failed invocations in the database. They may be lost with the machine's power: nobody was promised them. */
export class FailureRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('invocations', MIGRATIONS);
  }

  /** Adds them, and keeps the newest of each function within both bounds. */
  add(records: readonly FailureRecord[], bounds: { readonly count: number; readonly bytes: number }): void {
    this.#database.relaxed(() => {
      const insert = this.#database.prepare(
        `INSERT OR REPLACE INTO failed_invocations (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      for (const record of records) {
        insert.run(
          record.requestId,
          record.functionName,
          record.version,
          record.invokedArn,
          record.atMs,
          record.payload,
          record.clientContext ?? null,
          record.error,
        );
      }
      for (const name of new Set(records.map(({ functionName }) => functionName))) this.#trim(name, bounds);
    });
  }

  /** Newest first. */
  list(functionName: string): FailureRecord[] {
    return this.#database
      .prepare(
        `SELECT ${COLUMNS} FROM failed_invocations WHERE function_name = ? ORDER BY at_ms DESC, rowid DESC`,
      )
      .all(functionName)
      .map(toRecord);
  }

  find(requestId: string): FailureRecord | undefined {
    const row = this.#database
      .prepare(`SELECT ${COLUMNS} FROM failed_invocations WHERE request_id = ?`)
      .get(requestId);
    return row === undefined ? undefined : toRecord(row);
  }

  deleteOf(functionName: string): void {
    this.#database.relaxed(() =>
      this.#database.prepare('DELETE FROM failed_invocations WHERE function_name = ?').run(functionName),
    );
  }

  #trim(functionName: string, { count, bytes }: { readonly count: number; readonly bytes: number }): void {
    this.#database
      .prepare(
        `DELETE FROM failed_invocations WHERE request_id IN (
          SELECT request_id FROM (
            SELECT request_id, row_number() OVER newest AS place, sum(length(payload)) OVER newest AS total
            FROM failed_invocations WHERE function_name = ?
            WINDOW newest AS (ORDER BY at_ms DESC, rowid DESC ROWS UNBOUNDED PRECEDING)
          ) WHERE place > ? OR (total > ? AND place > 1)
        )`,
      )
      .run(functionName, count, bytes);
  }
}

const toRecord = (row: Record<string, unknown>): FailureRecord => ({
  requestId: String(row.request_id),
  functionName: String(row.function_name),
  version: String(row.version),
  invokedArn: String(row.invoked_arn),
  atMs: Number(row.at_ms),
  payload: row.payload as Uint8Array,
  clientContext: row.client_context === null ? undefined : String(row.client_context),
  error: String(row.error),
});
