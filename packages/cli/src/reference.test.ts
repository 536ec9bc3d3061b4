import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { reference } from './reference.ts';

test('docs/reference/cli.md says what the commands are now', async () => {
  const written = readFileSync(new URL('../../../docs/reference/cli.md', import.meta.url), 'utf8');
  assert.equal(written, await reference(COMMANDS), 'run script/reference');
});
