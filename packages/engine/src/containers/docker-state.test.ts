import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStatus, humanDuration } from './docker-state.ts';

const SECOND = 1_000_000_000n;

test('durations read as docker’s do', () => {
  const cases: [bigint, string][] = [
    [0n, 'Less than a second'],
    [1n, '1 second'],
    [59n, '59 seconds'],
    [60n, 'About a minute'],
    [150n, '2 minutes'],
    [3600n, 'About an hour'],
    [7200n, '2 hours'],
    [86_400n * 3n, '3 days'],
    [86_400n * 21n, '3 weeks'],
    [86_400n * 90n, '3 months'],
    [86_400n * 900n, '2 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(humanDuration(seconds * SECOND), text);
});

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
