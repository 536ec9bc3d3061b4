import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDeleted, formatReclaimed } from './prune.ts';

test('nothing that was removed is nothing that is told', () => {
  assert.equal(formatDeleted({ VolumesDeleted: [], ImagesDeleted: null }), '');
  assert.equal(formatReclaimed(0), 'Total reclaimed space: 0B\n');
});

test('each kind has its paragraph, and images say what happened to them', () => {
  assert.equal(
    formatDeleted({
      ContainersDeleted: ['c1', 'c2'],
      ImagesDeleted: [{ Untagged: 'a:1' }, { Deleted: 'sha256:00' }],
    }),
    'Deleted Containers:\nc1\nc2\n\nDeleted Images:\nuntagged: a:1\ndeleted: sha256:00\n\n',
  );
});

test('the space is told with four digits, as docker does', () => {
  assert.equal(formatReclaimed(1_982_464), 'Total reclaimed space: 1.982MB\n');
});
