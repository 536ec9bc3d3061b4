import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Clock } from '@slipway/base';
import { QuickPlaces } from './place-folder.ts';

/** Makes `names` by a clock that says how long a file takes in each folder that is tried; which of these each became. */
function placesOf(names: readonly string[], createMs: readonly number[]): { taken: number[]; root: string } {
  const root = mkdtempSync('/tmp/slipway-places-');
  const triedNames: string[] = [];
  const triedInodes: number[] = [];
  let nowMs = 0;
  let isMeasuring = false;
  const monotonicMs = () => {
    for (const name of readdirSync(root)) {
      if (names.includes(name) || triedNames.includes(name)) continue;
      triedNames.push(name);
      triedInodes.push(statSync(join(root, name)).ino);
    }
    if (isMeasuring) nowMs += createMs[triedNames.length - 1] as number;
    isMeasuring = !isMeasuring;
    return nowMs;
  };
  const places = new QuickPlaces({ monotonicMs } as Clock);
  for (const name of names) places.make(join(root, name));
  // An inode that was given up may have come back since.
  return { root, taken: names.map((name) => triedInodes.lastIndexOf(statSync(join(root, name)).ino)) };
}

test('a folder is made where files are quickest, and the other places are left as they were', () => {
  const { root, taken } = placesOf(['1', '2'], [10, 100, 90, 12, 200, 11]);
  try {
    assert.deepEqual(taken, [0, 5]);
    assert.deepEqual(readdirSync(root).sort(), ['1', '2']);
    assert.deepEqual(readdirSync(join(root, '1'), { recursive: true }), ['fs']);
    assert.equal(statSync(join(root, '1')).mode & 0o777, 0o710);
    assert.equal(statSync(join(root, '1/fs')).mode & 0o777, 0o755);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('a folder is made also where files are slow everywhere, in the best place of a few', () => {
  const { root, taken } = placesOf(['1', '2'], [1, 1, 50, 40, 30, 60, 70, 80]);
  try {
    assert.deepEqual(taken, [0, 4]);
    assert.deepEqual(readdirSync(root).sort(), ['1', '2']);
  } finally {
    rmSync(root, { recursive: true });
  }
});
