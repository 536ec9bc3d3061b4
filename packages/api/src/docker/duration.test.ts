import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration } from './duration.ts';

test('durations read as docker’s do', () => {
  const cases: [number, string][] = [
    [0, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [150, '2 minutes'],
    [3600, 'About an hour'],
    [7200, '2 hours'],
    [86_400 * 3, '3 days'],
    [86_400 * 21, '3 weeks'],
    [86_400 * 90, '3 months'],
    [86_400 * 900, '2 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(formatDuration(seconds * 1000), text);
});
