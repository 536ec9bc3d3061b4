import type { Database } from '@slipway/store';
import type { AccessKey, Account, Grant } from './accounts.ts';

const MIGRATIONS = [
  `CREATE TABLE accounts (
     name TEXT PRIMARY KEY,
     password TEXT NOT NULL,
     is_admin INTEGER NOT NULL,
     grants TEXT NOT NULL,
     generation TEXT NOT NULL,
     created_at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE access_keys (
     id TEXT PRIMARY KEY,
     secret TEXT NOT NULL,
     account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE
   ) STRICT;
   CREATE INDEX access_keys_of_account ON access_keys (account);
   CREATE TABLE token_key (only INTEGER PRIMARY KEY CHECK (only = 1), secret TEXT NOT NULL) STRICT`,
  'ALTER TABLE access_keys ADD COLUMN created_at_ms INTEGER NOT NULL DEFAULT 0',
];

/** An account with what nobody outside is shown. */
export interface AccountRecord extends Omit<Account, 'hasPassword'> {
  /** As `hashPassword` writes it; undefined for an account that has none. */
  readonly passwordHash: string | undefined;
  /** Changes with the password; what was issued for another generation is worth nothing. */
  readonly generation: string;
}

interface Row {
  readonly name: string;
  readonly password: string;
  readonly is_admin: number;
  readonly grants: string;
  readonly generation: string;
  readonly created_at_ms: number;
}

interface KeyRow {
  readonly id: string;
  readonly secret: string;
  readonly account: string;
  readonly created_at_ms: number;
}

const toKey = (row: KeyRow): AccessKey => ({
  accessKeyId: row.id,
  secretAccessKey: row.secret,
  account: row.account,
  createdAtMs: row.created_at_ms,
});

/** Accounts, access keys and the key of tokens <-> SQL. */
export class AccountRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    database.migrate('accounts', MIGRATIONS);
  }

  load(): AccountRecord[] {
    const rows = this.#database.prepare('SELECT * FROM accounts').all() as unknown as Row[];
    return rows.map((row) => ({
      name: row.name,
      passwordHash: row.password || undefined,
      isAdmin: row.is_admin === 1,
      grants: JSON.parse(row.grants) as Grant[],
      generation: row.generation,
      createdAtMs: row.created_at_ms,
    }));
  }

  /** Inserts it, or replaces what is there, but never its access keys. */
  save({ name, passwordHash, isAdmin, grants, generation, createdAtMs }: AccountRecord): void {
    this.#database
      .prepare(
        `INSERT INTO accounts (name, password, is_admin, grants, generation, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET password = excluded.password, is_admin = excluded.is_admin,
           grants = excluded.grants, generation = excluded.generation`,
      )
      .run(name, passwordHash ?? '', isAdmin ? 1 : 0, JSON.stringify(grants), generation, createdAtMs);
  }

  delete(name: string): void {
    this.#database.prepare('DELETE FROM accounts WHERE name = ?').run(name);
  }

  insertKey({ accessKeyId, secretAccessKey, account, createdAtMs }: AccessKey): void {
    this.#database
      .prepare('INSERT INTO access_keys (id, secret, account, created_at_ms) VALUES (?, ?, ?, ?)')
      .run(accessKeyId, secretAccessKey, account, createdAtMs);
  }

  findKey(accessKeyId: string): AccessKey | undefined {
    const row = this.#database.prepare('SELECT * FROM access_keys WHERE id = ?').get(accessKeyId) as
      | KeyRow
      | undefined;
    return row && toKey(row);
  }

  listKeys(account: string): AccessKey[] {
    const rows = this.#database
      .prepare('SELECT * FROM access_keys WHERE account = ? ORDER BY id')
      .all(account) as unknown as KeyRow[];
    return rows.map(toKey);
  }

  /** Whether there was one. */
  deleteKey(accessKeyId: string): boolean {
    return this.#database.prepare('DELETE FROM access_keys WHERE id = ?').run(accessKeyId).changes === 1;
  }

  /** The secret that tokens are signed with; `make` makes the first. */
  tokenSecret(make: () => string): string {
    this.#database
      .prepare('INSERT INTO token_key (only, secret) VALUES (1, ?) ON CONFLICT DO NOTHING')
      .run(make());
    return String(this.#database.prepare('SELECT secret FROM token_key').get()?.['secret']);
  }
}
