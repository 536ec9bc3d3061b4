import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failedItems, remainingMs } from './batch.ts';

const failed = (answer: string) => [...failedItems(Buffer.from(answer), ['a', 'b', 'c'])];

test('an answer that names no failure says that all went well', () => {
  for (const answer of [
    '',
    'null',
    '{}',
    '"done"',
    '{"batchItemFailures":[]}',
    '{"batchItemFailures":null}',
  ]) {
    assert.deepEqual(failed(answer), [], answer);
  }
});

test('an answer names those that failed', () => {
  assert.deepEqual(failed('{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}'), [
    'c',
    'a',
  ]);
});

test('an answer that cannot be relied on says that all failed', () => {
  for (const answer of [
    'no JSON',
    '{"batchItemFailures":"a"}',
    '{"batchItemFailures":[{"itemIdentifier":""}]}',
    '{"batchItemFailures":[{"itemIdentifier":"z"}]}',
    '{"batchItemFailures":[{"wrong":"a"}]}',
    '{"batchItemFailures":[null]}',
  ]) {
    assert.deepEqual(failed(answer), ['a', 'b', 'c'], answer);
  }
});

test('a batch goes when it is full, heavy or old enough', () => {
  const policy = { batchSize: 3, windowMs: 5_000, maxBytes: 100 };
  const batch = { count: 1, sizeBytes: 10, beganAtMs: 1_000 };
  assert.equal(remainingMs(batch, policy, 1_000), 5_000);
  assert.equal(remainingMs(batch, policy, 5_999), 1);
  assert.equal(remainingMs(batch, policy, 6_000), 0);
  assert.equal(remainingMs({ ...batch, count: 3 }, policy, 1_000), 0);
  assert.equal(remainingMs({ ...batch, sizeBytes: 100 }, policy, 1_000), 0);
  assert.equal(remainingMs(batch, { ...policy, windowMs: 0 }, 1_000), 0);
});
