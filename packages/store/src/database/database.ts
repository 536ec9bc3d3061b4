import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { errorMessage, SlipwayError } from '@slipway/base';

/**
 * The one SQLite file of records, opened by the one process that writes it. All calls are synchronous: a statement
 * takes microseconds and a commit one fdatasync, less than a turn through a thread would.
 */
export interface Database extends Disposable {
  /**
   * Brings a component's tables up to date: runs those of `steps` that this file has not run yet, in order, each in a
   * transaction. Steps that were released never change; new ones are added at the end.
   * @throws FailedPrecondition when the file was written by a newer version
   */
  migrate(component: string, steps: readonly string[]): void;
  /** The prepared form of `sql`, kept for the next caller with the same text. */
  prepare(sql: string): StatementSync;
  /** Runs `work` in one transaction: committed and on disk when this returns, rolled back when `work` throws. Nests. */
  transaction<T>(work: () => T): T;
  /**
   * The same for records that may be lost with the machine's power, not with the process: they reach the disk with the next
   * commit that is not relaxed. For what is worth nothing after a reboot, or only with a record that follows.
   */
  relaxed<T>(work: () => T): T;
}

/**
 * Opens the file, or makes it: WAL, every commit on disk (synchronous=FULL), foreign keys enforced.
 * @throws DataLoss naming the file when it is damaged
 */
export function openDatabase(path: string): Database {
  try {
    return new SqliteDatabase(path);
  } catch (cause) {
    if (!isDamage(cause)) throw cause;
    throw new SlipwayError(
      'DataLoss',
      `${path} is damaged (${errorMessage(cause)}): put a copy of it back, or move it away to begin without records`,
      { cause },
    );
  }
}

class SqliteDatabase implements Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  constructor(path: string) {
    this.#connection = new DatabaseSync(path, { timeout: 5_000, enableForeignKeyConstraints: true });
    this.#connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY');
    const check = this.#connection.prepare('PRAGMA quick_check(1)').get();
    if (check?.quick_check !== 'ok') throw new DamagedDatabase(String(check?.quick_check));
    this.#connection.exec(
      'CREATE TABLE IF NOT EXISTS components (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    );
  }

  migrate(component: string, steps: readonly string[]): void {
    const row = this.prepare('SELECT version FROM components WHERE name = ?').get(component);
    const done = Number(row?.version ?? 0);
    if (done > steps.length) {
      throw new SlipwayError(
        'FailedPrecondition',
        `the records of ${component} have version ${done}, this slipwayd knows ${steps.length}: start a newer slipwayd`,
      );
    }
    for (const [index, sql] of steps.entries()) {
      if (index < done) continue;
      this.transaction(() => {
        this.#connection.exec(sql);
        this.prepare(
          'INSERT INTO components (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version',
        ).run(component, index + 1);
      });
    }
  }

  prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = explained(this.#connection.prepare(sql));
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.prepare('BEGIN IMMEDIATE').run();
    this.#depth++;
    try {
      const result = work();
      this.prepare('COMMIT').run();
      return result;
    } catch (error) {
      // A full disk may have rolled back already; the first error is the one to tell.
      if (this.#connection.isTransaction) this.prepare('ROLLBACK').run();
      throw explain(error);
    } finally {
      this.#depth--;
    }
  }

  relaxed<T>(work: () => T): T {
    // In WAL mode a commit that is synced takes all earlier ones with it, so the order of records stays.
    if (this.#depth > 0) return work();
    this.#connection.exec('PRAGMA synchronous = NORMAL');
    try {
      return this.transaction(work);
    } finally {
      this.#connection.exec('PRAGMA synchronous = FULL');
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#connection.isOpen) this.#connection.close();
  }
}

const SQLITE_FULL = 13;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

class DamagedDatabase extends Error {}

const isDamage = (error: unknown): boolean =>
  error instanceof DamagedDatabase ||
  (error instanceof Error &&
    'errcode' in error &&
    (error.errcode === SQLITE_CORRUPT || error.errcode === SQLITE_NOTADB));

/** The statement, whose `run` tells a full disk as what it is. */
function explained(statement: StatementSync): StatementSync {
  const run = statement.run.bind(statement);
  const explaining = (...values: Parameters<StatementSync['run']>) => {
    try {
      return run(...values);
    } catch (error) {
      throw explain(error);
    }
  };
  return Object.assign(statement, { run: explaining });
}

/** A full disk is told as what it is; other errors stay as they are. */
function explain(error: unknown): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || error.errcode !== SQLITE_FULL) return error;
  return new SlipwayError(
    'ResourceExhausted',
    'cannot write a record: no space left on device; free some and try again',
    {
      cause: error,
      reason: 'ENOSPC',
    },
  );
}
