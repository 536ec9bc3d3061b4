import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStatus } from './docker-state.ts';

const SECOND = 1_000_000_000n;

test('the status line tells how long, how it ended and how healthy it is', () => {
  const running = { status: 'running', pid: 1, startedAtNs: 0n } as const;
  assert.equal(describeStatus(running, undefined, 5n * SECOND), 'Up 5 seconds');
  assert.equal(
    describeStatus(running, { status: 'healthy', failingStreak: 0, log: [] }, 5n * SECOND),
    'Up 5 seconds (healthy)',
  );
  const exited = {
    status: 'exited',
    exitCode: 3,
    oomKilled: false,
    error: '',
    startedAtNs: 0n,
    finishedAtNs: SECOND,
  } as const;
  assert.equal(describeStatus(exited, undefined, 121n * SECOND), 'Exited (3) 2 minutes ago');
});
