import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { testCall } from '../queues/testing.ts';
import { openTestSources } from './testing.ts';

const MINUTE = 60_000;
const FUNCTION = 'arn:aws:lambda:eu-central-1:000000000000:function:tick';
const target = { Arn: FUNCTION, RoleArn: 'arn:aws:iam::000000000000:role/any' };
const FlexibleTimeWindow = { Mode: 'OFF' };

const named = (exception: string) => (error: unknown) => isSlipwayError(error) && error.reason === exception;

test('a rate begins at once and goes on; its event is of EventBridge', async () => {
  await using world = openTestSources({ tick: {} });
  const startMs = world.clock.nowMs();
  const { ScheduleArn } = await world.call('CreateSchedule', {
    Name: 'often',
    ScheduleExpression: 'rate(5 minutes)',
    Target: target,
    FlexibleTimeWindow,
  });
  await world.clock.advance(11 * MINUTE);
  assert.deepEqual(
    world.runs.map(({ atMs }) => atMs - startMs),
    [0, 5 * MINUTE, 10 * MINUTE],
  );
  const event = world.runs[1]?.event as Record<string, unknown>;
  assert.equal(event['detail-type'], 'Scheduled Event');
  assert.equal(event.time, '2026-01-01T00:05:00Z');
  assert.deepEqual(event.resources, [ScheduleArn]);
});

test('cron keeps the time of its zone, between its start and its end, with an input of its own', async () => {
  await using world = openTestSources({ tick: {} });
  await world.call('CreateSchedule', {
    Name: 'mornings',
    ScheduleExpression: 'cron(0 9 * * ? *)',
    ScheduleExpressionTimezone: 'Europe/Berlin',
    StartDate: new Date('2026-01-01T12:00:00Z'),
    EndDate: new Date('2026-01-03T12:00:00Z'),
    ActionAfterCompletion: 'DELETE',
    Target: {
      ...target,
      Input: '{"at":"<aws.scheduler.scheduled-time>","n":<aws.scheduler.attempt-number>}',
    },
    FlexibleTimeWindow,
  });
  await world.clock.advance(3 * 24 * 60 * MINUTE);
  assert.deepEqual(
    world.runs.map(({ event }) => event),
    [
      { at: '2026-01-02T08:00:00Z', n: 1 },
      { at: '2026-01-03T08:00:00Z', n: 1 },
    ],
  );
  await assert.rejects(world.call('GetSchedule', { Name: 'mornings' }), named('ResourceNotFoundException'));
});

test('of the times that passed while nobody was there the last counts, once', async () => {
  await using world = openTestSources({ tick: {} });
  await world.call('CreateSchedule', {
    Name: 'often',
    ScheduleExpression: 'rate(1 minute)',
    StartDate: new Date('2026-01-01T00:01:00Z'),
    Target: target,
    FlexibleTimeWindow,
  });
  await world.clock.advance(MINUTE);
  assert.equal(world.runs.length, 1);
  await world.restart(() => world.clock.advance(10 * MINUTE + 1_000));
  await world.clock.advance(1);
  const last = world.runs.at(-1)?.event as { time: string };
  assert.equal(last.time, '2026-01-01T00:11:00Z');
  assert.equal(world.runs.length, 2);
});

test('a target that is not there is tried again, and then told to the dead letters', async () => {
  await using world = openTestSources({ tick: {} });
  world.queues.create('dead', {}, {}, testCall());
  await world.call('CreateSchedule', {
    Name: 'lost',
    ScheduleExpression: 'at(2026-01-01T00:01:00)',
    Target: {
      ...target,
      Arn: FUNCTION.replace('tick', 'none'),
      RetryPolicy: { MaximumRetryAttempts: 3, MaximumEventAgeInSeconds: 3600 },
      DeadLetterConfig: { Arn: world.queues.get('dead').arn },
    },
    FlexibleTimeWindow,
  });
  await world.clock.advance(MINUTE + 6_000);
  assert.equal(world.queues.counts('dead').visible, 0);
  await world.clock.advance(1_500);
  const [message] = await world.queues.receive('dead', {
    maxMessages: 1,
    signal: new AbortController().signal,
  });
  assert.equal(message?.attributes.RETRY_ATTEMPTS?.StringValue, '3');
  assert.equal(message?.attributes.ERROR_CODE?.StringValue, 'ResourceNotFoundException');
  assert.equal(
    message?.attributes.ERROR_MESSAGE?.StringValue,
    `Function not found: ${FUNCTION.replace('tick', 'none')}`,
  );
});

test('schedules are changed, listed, disabled and deleted', async () => {
  await using world = openTestSources({ tick: {} });
  const schedule = (input: object) => ({
    Name: 'one',
    ScheduleExpression: 'rate(1 minute)',
    StartDate: new Date('2026-01-01T00:01:00Z'),
    Target: target,
    FlexibleTimeWindow,
    ...input,
  });
  await world.call('CreateSchedule', schedule({ Description: 'first' }));
  await assert.rejects(world.call('CreateSchedule', schedule({})), named('ConflictException'));
  await world.call('UpdateSchedule', schedule({ State: 'DISABLED' }));
  const found = await world.call('GetSchedule', { Name: 'one' });
  assert.equal(found.State, 'DISABLED');
  assert.equal(found.Description, undefined);
  assert.deepEqual(found.Target.RetryPolicy, { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 });
  await world.clock.advance(5 * MINUTE);
  assert.equal(world.runs.length, 0);
  const { Schedules } = await world.call('ListSchedules', { NamePrefix: 'o' });
  assert.deepEqual(Schedules[0].Target, { Arn: FUNCTION });
  await world.call('DeleteSchedule', { Name: 'one' });
  assert.deepEqual(await world.call('ListSchedules', {}), { Schedules: [] });
  for (const input of [
    { ScheduleExpression: 'rate(1 minutes)' },
    { Name: 'a b' },
    { Target: { ...target, Arn: 'arn:aws:sns:eu-central-1:000000000000:topic' } },
    { EndDate: new Date('2025-01-01T00:00:00Z') },
    { Target: { ...target, RetryPolicy: { MaximumRetryAttempts: 186 } } },
  ]) {
    await assert.rejects(world.call('CreateSchedule', schedule(input)), named('ValidationException'));
  }
});
