import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const RUN = new URL('../run.ts', import.meta.url).pathname;
/** It says to a test runner that it is a test itself. */
const { NODE_TEST_CONTEXT: _, ...env } = process.env;

const runTests = (...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...words], { env, timeout: 60_000 });
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
};

test('a pattern that no file and no test matches fails at once, and is named', () => {
  const nameless = runTests('integration', 'runsc:no such test');
  assert.equal(nameless.status, 1);
  assert.match(nameless.stderr, /"runsc".*"no such test"/);
  assert.equal(nameless.stdout, '');
  const fileless = runTests('unit', 'no-such-file');
  assert.deepEqual([fileless.status, fileless.stdout], [1, '']);
  assert.match(fileless.stderr, /"no-such-file"/);
});

test('a pattern fails also when only running the file shows that nothing matches', () => {
  // One of its names is put together as it runs.
  const { status, stdout } = runTests('unit', 'format/template:no such test');
  assert.equal(status, 1);
  assert.match(stdout, /format\/template.test.ts 0\/0/);
  assert.match(stdout, /failed:\n.*"no such test"/);
});

test('a pattern runs the tests that hold it', () => {
  const { status, stdout } = runTests('unit', 'base/src/clock:nine digits');
  assert.equal(status, 0, stdout);
  assert.match(stdout, /clock.test.ts [1-9]/);
});
