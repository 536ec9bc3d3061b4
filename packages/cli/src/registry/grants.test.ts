import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatGrant, parseGrant } from './grants.ts';

test('a grant is a pattern and actions, and reads back as it was written', () => {
  assert.deepEqual(parseGrant('team/*:pull,push'), { repositories: 'team/*', actions: ['pull', 'push'] });
  assert.equal(formatGrant(parseGrant('*:delete')), '*:delete');
});

test('what is no grant is refused with the text and how to write one', () => {
  for (const text of ['team/*', ':pull', 'team/*:', 'team/*:pull,fetch', 'team/*:pull,']) {
    assert.throws(() => parseGrant(text), /is not a grant: write .*'team\/\*:pull,push'/, text);
  }
});
