import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base/errors';
import { parseTime } from './time.ts';

const NOW_MS = Date.parse('2026-01-02T03:04:05.500Z');

test('a time is seconds, a date, or how long ago', () => {
  assert.equal(parseTime('', NOW_MS), '');
  assert.equal(parseTime('1767322980', NOW_MS), '1767322980');
  assert.equal(parseTime('1767322980.25', NOW_MS), '1767322980.25');
  assert.equal(parseTime('2026-01-02T03:03:00Z', NOW_MS), '1767322980.000');
  assert.equal(parseTime('1m5s', NOW_MS), '1767322980.500');
});

test('what is no time is refused, and a word that JavaScript takes for a date is no time', () => {
  for (const text of ['yesterday', 'Jan 1', '5 minutes']) {
    assert.throws(
      () => parseTime(text, NOW_MS),
      (error) => isSlipwayError(error, 'InvalidArgument'),
    );
  }
});
