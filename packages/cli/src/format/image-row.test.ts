import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageSummary } from '@slipway/client';
import { imageRows } from './image-row.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const IMAGE: ImageSummary = {
  Id: `sha256:0123456789abcdef${'0'.repeat(48)}`,
  RepoTags: null,
  RepoDigests: null,
  Created: 1_000,
  Size: 1_982_464,
  SharedSize: -1,
  Containers: -1,
  Labels: null,
};

const shown = (image: Partial<ImageSummary>, digests = false) =>
  imageRows({ ...IMAGE, ...image }, { truncate: true, digests, nowMs: 1_120_000 }).map((row) =>
    ['Repository', 'Tag', 'Digest'].map((field) => row[field]?.()).join(' '),
  );

test('an image has a line for each of its names', () => {
  assert.deepEqual(shown({ RepoTags: ['localhost:5000/a:1', 'b:latest'], RepoDigests: [`b@${DIGEST}`] }), [
    'localhost:5000/a 1 <none>',
    `b latest ${DIGEST}`,
  ]);
});

test('an image without a name still has its line', () => {
  assert.deepEqual(shown({}), ['<none> <none> <none>']);
  assert.deepEqual(shown({ RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] }), [
    '<none> <none> <none>',
  ]);
});

test('an image that is known only by its digests is one line, or one for each when digests are shown', () => {
  const image = { RepoDigests: [`a@${DIGEST}`, `b@${DIGEST}`] };
  assert.deepEqual(shown(image), [`a <none> ${DIGEST}`]);
  assert.deepEqual(shown(image, true), [`a <none> ${DIGEST}`, `b <none> ${DIGEST}`]);
});

test('ids are cut, sizes and ages are for people, and what was not counted is N/A', () => {
  const [row] = imageRows(IMAGE, { truncate: true, digests: false, nowMs: 1_120_000 });
  assert.deepEqual(
    ['ID', 'Size', 'CreatedSince', 'SharedSize', 'Containers'].map((field) => row?.[field]?.()),
    ['0123456789ab', '1.98MB', '2 minutes ago', 'N/A', 'N/A'],
  );
});
