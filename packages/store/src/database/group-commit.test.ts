import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Database, openDatabase } from './database.ts';
import { groupCommit } from './group-commit.ts';

function open(t: TestContext): { database: Database; commits: () => number; numbers: () => unknown[] } {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-commit-'));
  const database = openDatabase(join(folder, 'test.db'));
  t.after(() => {
    database[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });
  database.migrate('test', ['CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT']);
  let commits = 0;
  const counted: Database = {
    ...bound(database),
    transaction: (work) => {
      commits++;
      return database.transaction(work);
    },
  };
  return {
    database: counted,
    commits: () => commits,
    numbers: () =>
      database
        .prepare('SELECT n FROM numbers ORDER BY n')
        .all()
        .map(({ n }) => n),
  };
}

const bound = (database: Database): Database => ({
  migrate: database.migrate.bind(database),
  prepare: database.prepare.bind(database),
  transaction: database.transaction.bind(database),
  relaxed: database.relaxed.bind(database),
  [Symbol.dispose]: () => {},
});

test('what comes in one turn is committed at once, in its order', async (t) => {
  const { database, commits, numbers } = open(t);
  const group = groupCommit(database);
  const add = (n: number) => () => database.prepare('INSERT INTO numbers VALUES (?)').run(n).lastInsertRowid;
  const before = commits();
  const results = await Promise.all([group.write(add(3)), group.relaxed(add(1)), group.write(add(2))]);
  assert.deepEqual(results, [3, 1, 2]);
  assert.deepEqual(numbers(), [1, 2, 3]);
  assert.equal(commits() - before, 1);
});

test('one that fails harms no other', async (t) => {
  const { database, numbers } = open(t);
  const group = groupCommit(database);
  const add = (n: number) => () => void database.prepare('INSERT INTO numbers VALUES (?)').run(n);
  const results = await Promise.allSettled([group.write(add(1)), group.write(add(1)), group.write(add(2))]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(numbers(), [1, 2]);
});
