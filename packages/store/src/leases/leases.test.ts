import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Clock, systemClock, systemRandom } from '@slipway/base';
import { computeDigest } from '@slipway/oci';
import { openDatabase } from '../database/database.ts';
import { openLeases } from './leases.ts';

test('whether a lease outlives its process, and what it keeps until it expires, is there after a restart', async () => {
  const root = mkdtempSync('/tmp/slipway-leases-');
  try {
    const path = join(root, 'db');
    let nowMs = 1_000_000;
    const clock: Clock = Object.assign(Object.create(systemClock), { nowMs: () => nowMs });
    const blob = computeDigest('blob');
    {
      using database = openDatabase(path);
      const leases = openLeases(database, { clock, random: systemRandom });
      leases.acquire();
      leases.acquire({ outlivesProcess: true, ttlMs: 1000, resources: { blobs: [blob] } });
    }
    using database = openDatabase(path);
    const leases = openLeases(database, { clock, random: systemRandom });
    for (const lease of leases.list()) if (!lease.outlivesProcess) await lease[Symbol.asyncDispose]();
    const [kept, ...others] = leases.list();
    assert.equal(others.length, 0);
    assert.ok(leases.get(kept?.id as string).outlivesProcess);
    assert.deepEqual([...leases.held().blobs], [blob]);
    nowMs += 1000;
    assert.deepEqual([...leases.held().blobs], []);
    assert.deepEqual(leases.list(), []);
  } finally {
    rmSync(root, { recursive: true });
  }
});
