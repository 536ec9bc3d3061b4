import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTimeNs, systemClock } from './clock.ts';

test('nanoseconds are near the wall clock, finer than it, and never stand still', () => {
  let last = 0n;
  let fine = 0;
  for (let turn = 0; turn < 1000; turn++) {
    const ns = systemClock.nowNs();
    assert.ok(ns > last);
    assert.ok(Math.abs(Number(ns / 1_000_000n) - Date.now()) <= 6);
    if (ns % 1_000_000n !== 0n) fine++;
    last = ns;
  }
  assert.ok(fine > 900, `${fine} of 1000 readings were finer than a millisecond`);
});

test('times are written with nine digits in UTC', () => {
  assert.equal(formatTimeNs(1_700_000_000_000_000_001n), '2023-11-14T22:13:20.000000001Z');
});
