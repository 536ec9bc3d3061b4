import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitReference } from './pull.ts';

test('a tag is told from a registry’s port, and a digest from a tag', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const cases: readonly (readonly [string, string, string])[] = [
    ['busybox', 'busybox', 'latest'],
    ['busybox:1', 'busybox', '1'],
    ['localhost:5000/a', 'localhost:5000/a', 'latest'],
    ['localhost:5000/a:2', 'localhost:5000/a', '2'],
    [`a/b@${digest}`, 'a/b', digest],
  ];
  for (const [name, repo, tag] of cases) assert.deepEqual(splitReference(name), { repo, tag }, name);
});
