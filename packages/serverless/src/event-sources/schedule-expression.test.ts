import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedule } from './schedule-expression.ts';

/** The first times after `after`, as ISO 8601 without the end that all have. */
function times(
  expression: string,
  after: string,
  count: number,
  timezone?: string,
  anchor = after,
): string[] {
  const schedule = parseSchedule(expression, timezone);
  const found: string[] = [];
  let atMs: number | undefined = Date.parse(`${after}Z`);
  while (found.length < count) {
    atMs = schedule.nextTime(atMs, Date.parse(`${anchor}Z`));
    if (atMs === undefined) break;
    found.push(new Date(atMs).toISOString().slice(0, 16));
  }
  return found;
}

test('a rate counts from its beginning', () => {
  assert.deepEqual(times('rate(5 minutes)', '2026-01-01T00:07:30', 2, undefined, '2026-01-01T00:00:00'), [
    '2026-01-01T00:10',
    '2026-01-01T00:15',
  ]);
  assert.deepEqual(times('rate(1 day)', '2025-12-01T00:00:00', 1, undefined, '2026-01-01T09:00:00'), [
    '2026-01-01T09:00',
  ]);
});

test('the fields of cron are minutes, hours, day, month, weekday from Sunday as 1, and year', () => {
  const from = '2026-01-01T00:00:00';
  assert.deepEqual(times('cron(15 10 * * ? *)', from, 2), ['2026-01-01T10:15', '2026-01-02T10:15']);
  assert.deepEqual(times('cron(0 18 ? * MON-FRI *)', from, 3), [
    '2026-01-01T18:00',
    '2026-01-02T18:00',
    '2026-01-05T18:00',
  ]);
  assert.deepEqual(times('cron(0 9 ? * 1 *)', from, 1), ['2026-01-04T09:00']);
  assert.deepEqual(times('cron(0/20 8 ? * 2 *)', from, 3), [
    '2026-01-05T08:00',
    '2026-01-05T08:20',
    '2026-01-05T08:40',
  ]);
  assert.deepEqual(times('cron(0 0 1 1 ? 2028-2029)', from, 3), ['2028-01-01T00:00', '2029-01-01T00:00']);
});

test('the last day, the last Friday, the second Monday, the weekday nearest to the 15th', () => {
  const from = '2026-01-01T00:00:00';
  assert.deepEqual(times('cron(0 8 L * ? *)', from, 2), ['2026-01-31T08:00', '2026-02-28T08:00']);
  assert.deepEqual(times('cron(0 8 ? * 6L *)', from, 2), ['2026-01-30T08:00', '2026-02-27T08:00']);
  assert.deepEqual(times('cron(0 8 ? * 2#2 *)', from, 2), ['2026-01-12T08:00', '2026-02-09T08:00']);
  assert.deepEqual(times('cron(0 8 15W * ? *)', from, 2), ['2026-01-15T08:00', '2026-02-16T08:00']);
});

test('in a time zone, also over the night in which clocks are put forward or back', () => {
  const zone = 'Europe/Berlin';
  assert.deepEqual(times('cron(0 9 * * ? *)', '2026-03-28T00:00:00', 3, zone), [
    '2026-03-28T08:00',
    '2026-03-29T07:00',
    '2026-03-30T07:00',
  ]);
  // 02:30 does not exist on 29 March.
  assert.deepEqual(times('cron(30 2 * * ? *)', '2026-03-28T00:00:00', 3, zone), [
    '2026-03-28T01:30',
    '2026-03-30T00:30',
    '2026-03-31T00:30',
  ]);
  // 02:30 comes twice on 25 October.
  assert.deepEqual(times('cron(30 2 * * ? *)', '2026-10-24T12:00:00', 2, zone), [
    '2026-10-25T00:30',
    '2026-10-26T01:30',
  ]);
  assert.deepEqual(times('cron(30 * * * ? *)', '2026-10-24T23:00:00', 3, zone), [
    '2026-10-24T23:30',
    '2026-10-25T00:30',
    '2026-10-25T02:30',
  ]);
});

test('one time, in its time zone', () => {
  assert.deepEqual(times('at(2026-12-24T18:00:00)', '2026-01-01T00:00:00', 3, 'America/New_York'), [
    '2026-12-24T23:00',
  ]);
  assert.deepEqual(times('at(2025-12-24T18:00:00)', '2026-01-01T00:00:00', 1), []);
});

test('what is no schedule is refused', () => {
  for (const expression of [
    '5 minutes',
    'rate(0 minutes)',
    'rate(1 minutes)',
    'rate(5 minute)',
    'rate(5 seconds)',
    'cron(0 9 * * *)',
    'cron(0 9 * * * *)',
    'cron(0 9 ? * ? *)',
    'cron(60 9 * * ? *)',
    'cron(? 9 * * ? *)',
    'cron(0 9 L-2x * ? *)',
    'at(2026-13-01T00:00:00)',
    'at(tomorrow)',
  ]) {
    assert.throws(() => parseSchedule(expression), /Invalid Schedule Expression/, expression);
  }
  assert.throws(() => parseSchedule('rate(5 minutes)', 'Mars/Olympus'), /timezone Mars\/Olympus/);
});
