import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitsLabels, parseFilterFlag, parseFilterTimeMs } from './filters.ts';

test('labels fit by name or by name and value, each of them, and none of the unwanted', () => {
  const labels = { tier: 'front', team: 'a=b' };
  const fits = (label: string[], unwanted: string[] = []) =>
    fitsLabels(
      labels,
      new Map([
        ['label', label],
        ['label!', unwanted],
      ]),
    );
  assert.ok(fits(['tier', 'team=a=b']));
  assert.ok(!fits(['tier=back']));
  assert.ok(!fits([], ['tier']));
  assert.ok(!fits(['toString']));
});

test('times are durations before now, Unix seconds or dates', () => {
  const nowMs = 100_000_000;
  assert.equal(parseFilterTimeMs('1h30m', nowMs), nowMs - 5_400_000);
  assert.equal(parseFilterTimeMs('250ms', nowMs), nowMs - 250);
  assert.equal(parseFilterTimeMs('12.5', nowMs), 12_500);
  assert.equal(parseFilterTimeMs('1970-01-02', nowMs), 86_400_000);
  assert.throws(() => parseFilterTimeMs('soon', nowMs), /"soon" is not a time/);
});

test('a flag is one of docker’s words', () => {
  assert.deepEqual(
    ['1', 'True', 'f'].map((word) => parseFilterFlag('all', word)),
    [true, true, false],
  );
  assert.throws(() => parseFilterFlag('all', 'maybe'), /invalid filter 'all=\[maybe\]'/);
});
