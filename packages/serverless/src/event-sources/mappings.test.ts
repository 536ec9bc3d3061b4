import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSlipwayError, systemClock } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import { testCall } from '../queues/testing.ts';
import { openTestSources, type TestSources } from './testing.ts';

const ARN = 'arn:aws:sqs:eu-central-1:000000000000:work';

const named = (exception: string) => (error: unknown) => isSlipwayError(error) && error.reason === exception;

/** The bodies of each batch that ran. */
const batches = ({ runs }: Pick<TestSources<never>, 'runs'>) =>
  runs.map(({ event }) => (event as { Records: Array<{ body: string }> }).Records.map(({ body }) => body));

const send = async ({ queues }: Pick<TestSources<never>, 'queues'>, ...bodies: string[]) => {
  for (const body of bodies) await queues.sendMessage('work', { body });
};

test('messages go to the function in a batch and are deleted when it went well', async () => {
  await using world = openTestSources({ work: {} });
  world.queues.create('work', {}, {}, testCall());
  await send(world, 'a', 'b');
  const created = await world.call('CreateEventSourceMapping', { EventSourceArn: ARN, FunctionName: 'work' });
  assert.equal(created.State, 'Creating');
  await world.clock.advance(10);
  assert.deepEqual(batches(world), [['a', 'b']]);
  const [record] = world.runs.flatMap(
    ({ event }) => (event as { Records: Array<Record<string, unknown>> }).Records,
  );
  assert.equal(record?.eventSource, 'aws:sqs');
  assert.equal(record?.eventSourceARN, ARN);
  assert.equal(record?.md5OfBody, '0cc175b9c0f1b6a831c399e269772661');
  await world.clock.advance(10);
  assert.deepEqual(world.queues.counts('work'), { visible: 0, inFlight: 0, delayed: 0 });
  const { State, LastProcessingResult } = await world.call('GetEventSourceMapping', { UUID: created.UUID });
  assert.deepEqual([State, LastProcessingResult], ['Enabled', 'OK']);
  // It waits for the next one.
  await send(world, 'c');
  await world.clock.advance(10);
  assert.deepEqual(batches(world).at(-1), ['c']);
});

test('of a batch that failed in part, only what failed comes again, and goes to the dead letters in the end', async () => {
  await using world = openTestSources({
    work: {
      run: (event) => ({
        batchItemFailures: (event as { Records: Array<{ body: string; messageId: string }> }).Records.filter(
          ({ body }) => body === 'bad',
        ).map(({ messageId }) => ({ itemIdentifier: messageId })),
      }),
    },
  });
  world.queues.create('dead', {}, {}, testCall());
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: world.queues.get('dead').arn,
    maxReceiveCount: 2,
  });
  world.queues.create('work', { RedrivePolicy, VisibilityTimeout: '30' }, {}, testCall());
  await send(world, 'good', 'bad', 'fine');
  await world.call('CreateEventSourceMapping', {
    EventSourceArn: ARN,
    FunctionName: 'work',
    FunctionResponseTypes: ['ReportBatchItemFailures'],
  });
  await world.clock.advance(29_000);
  assert.deepEqual(batches(world), [['good', 'bad', 'fine']]);
  await world.clock.advance(2_000);
  assert.deepEqual(batches(world).slice(1), [['bad']]);
  await world.clock.advance(60_000);
  assert.equal(world.runs.length, 2);
  assert.equal(world.queues.counts('dead').visible, 1);
});

test('a batch waits for its window, and not longer than it is full', async () => {
  await using world = openTestSources({ work: {} });
  world.queues.create('work', {}, {}, testCall());
  await world.call('CreateEventSourceMapping', {
    EventSourceArn: ARN,
    FunctionName: 'work',
    BatchSize: 3,
    MaximumBatchingWindowInSeconds: 5,
  });
  await send(world, 'a');
  await world.clock.advance(4_000);
  await send(world, 'b');
  await world.clock.advance(900);
  assert.deepEqual(batches(world), []);
  await world.clock.advance(200);
  assert.deepEqual(batches(world), [['a', 'b']]);
  await send(world, 'c', 'd', 'e');
  await world.clock.advance(10);
  assert.deepEqual(batches(world).slice(1), [['c', 'd', 'e']]);
});

test('what no filter wants is deleted', async () => {
  await using world = openTestSources({ work: {} });
  world.queues.create('work', {}, {}, testCall());
  await send(world, '{"kind":"order","total":12}', '{"kind":"order","total":2}', 'no JSON');
  await world.call('CreateEventSourceMapping', {
    EventSourceArn: ARN,
    FunctionName: 'work',
    FilterCriteria: {
      Filters: [{ Pattern: '{"body":{"kind":["order"],"total":[{"numeric":[">",10]}]}}' }],
    },
  });
  await world.clock.advance(100);
  assert.deepEqual(batches(world), [['{"kind":"order","total":12}']]);
  assert.deepEqual(world.queues.counts('work'), { visible: 0, inFlight: 0, delayed: 0 });
});

test('while there is no room the batch is held, and its messages are not received again', async () => {
  let isFull = true;
  await using world = openTestSources({
    work: {
      run: () => {
        if (isFull) throw awsError('ResourceExhausted', 'TooManyRequestsException', 'Rate Exceeded.');
      },
    },
  });
  world.queues.create('work', { VisibilityTimeout: '3' }, {}, testCall());
  await world.call('CreateEventSourceMapping', { EventSourceArn: ARN, FunctionName: 'work' });
  await send(world, 'a');
  await world.clock.advance(2_500);
  isFull = false;
  await world.clock.advance(10_000);
  const counts = (world.runs as ReadonlyArray<{ event: unknown }>).map(
    ({ event }) =>
      (event as { Records: Array<{ attributes: { ApproximateReceiveCount: string } }> }).Records[0]
        ?.attributes.ApproximateReceiveCount,
  );
  assert.deepEqual(counts, ['1', '1', '1']);
  assert.deepEqual(world.queues.counts('work'), { visible: 0, inFlight: 0, delayed: 0 });
});

test('batches run side by side, no more than was allowed', async () => {
  let running = 0;
  let most = 0;
  const release = Promise.withResolvers<void>();
  await using world = openTestSources({
    work: {
      run: async () => {
        most = Math.max(most, ++running);
        await release.promise;
        running--;
      },
    },
  });
  world.queues.create('work', {}, {}, testCall());
  await world.call('CreateEventSourceMapping', {
    EventSourceArn: ARN,
    FunctionName: 'work',
    BatchSize: 1,
    ScalingConfig: { MaximumConcurrency: 3 },
  });
  await send(world, ...Array.from({ length: 12 }, (_, index) => String(index)));
  await world.clock.advance(100);
  assert.equal(most, 3);
  release.resolve();
  await world.clock.advance(100);
  assert.equal(world.runs.length, 12);
  assert.equal(most, 3);
});

test('a mapping goes on after a restart, stops when it is disabled, and is gone when it is deleted', async () => {
  await using world = openTestSources({ work: {} });
  world.queues.create('work', {}, {}, testCall());
  const { UUID } = await world.call('CreateEventSourceMapping', {
    EventSourceArn: ARN,
    FunctionName: 'work',
  });
  await world.restart();
  await send(world, 'a');
  await world.clock.advance(10);
  assert.deepEqual(batches(world), [['a']]);
  const disabling = await world.call('UpdateEventSourceMapping', { UUID, Enabled: false, BatchSize: 5 });
  assert.equal(disabling.State, 'Disabling');
  await assert.rejects(world.call('UpdateEventSourceMapping', { UUID }), named('ResourceInUseException'));
  await world.clock.advance(10);
  assert.equal((await world.call('GetEventSourceMapping', { UUID })).State, 'Disabled');
  await send(world, 'b');
  await world.clock.advance(30_000);
  assert.equal(world.runs.length, 1);
  assert.equal((await world.call('UpdateEventSourceMapping', { UUID, Enabled: true })).State, 'Enabling');
  await world.clock.advance(10);
  assert.equal(world.runs.length, 2);
  assert.equal((await world.call('DeleteEventSourceMapping', { UUID })).State, 'Deleting');
  await world.clock.advance(10);
  await assert.rejects(world.call('GetEventSourceMapping', { UUID }), named('ResourceNotFoundException'));
  assert.deepEqual((await world.call('ListEventSourceMappings', {})).EventSourceMappings, []);
});

test('what a mapping cannot be is refused', async () => {
  await using world = openTestSources({ work: {} });
  const create = (input: object) =>
    world.call('CreateEventSourceMapping', { EventSourceArn: ARN, FunctionName: 'work', ...input });
  await assert.rejects(create({}), /The specified queue does not exist/);
  world.queues.create('work', {}, {}, testCall());
  await assert.rejects(create({ FunctionName: 'none' }), {
    reason: 'ResourceNotFoundException',
    message: 'Function not found: arn:aws:lambda:eu-central-1:000000000000:function:none',
  });
  await assert.rejects(create({ BatchSize: 11 }), /batch window in seconds must be greater than 0/);
  await assert.rejects(create({ BatchSize: 0 }), named('InvalidParameterValueException'));
  await assert.rejects(create({ ScalingConfig: { MaximumConcurrency: 1 } }), /MaximumConcurrency 1/);
  await assert.rejects(
    create({ FilterCriteria: { Filters: [{ Pattern: '{"a":1}' }] } }),
    /Invalid filter pattern/,
  );
  await assert.rejects(
    create({ EventSourceArn: 'arn:aws:kinesis:x:000000000000:stream/y' }),
    /Unrecognized event source/,
  );
  await assert.rejects(create({ TumblingWindowInSeconds: 5 }), /TumblingWindowInSeconds is not supported/);
  world.queues.setAttributes('work', { VisibilityTimeout: '2' });
  await assert.rejects(
    create({}),
    /Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds/,
  );
  world.queues.setAttributes('work', { VisibilityTimeout: '30' });
  await create({});
  await assert.rejects(create({}), named('ResourceConflictException'));
});

test('files that come into a bucket are told once each, also those that came while nobody watched', async () => {
  await using world = openTestSources({ work: {} }, systemClock);
  const folder = world.bucket('inbox');
  writeFileSync(join(folder, 'before.txt'), 'x');
  await world.call('CreateEventSourceMapping', {
    EventSourceArn: 'arn:aws:s3:::inbox',
    FunctionName: 'work',
  });
  const keys = () =>
    (world.runs as ReadonlyArray<{ event: unknown }>)
      .map(
        ({ event }) =>
          (event as { Records: Array<{ s3: { object: { key: string } } }> }).Records[0]?.s3.object.key,
      )
      .sort();
  const until = async (count: number) => {
    for (let turn = 0; turn < 100 && world.runs.length < count; turn++) await sleep(100);
  };
  await sleep(300);
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'deep/a file.txt'), 'hello');
  writeFileSync(join(folder, '.part'), 'hello');
  renameSync(join(folder, '.part'), join(folder, 'whole.txt'));
  writeFileSync(join(folder, '.hidden'), 'x');
  await until(2);
  assert.deepEqual(keys(), ['deep/a+file.txt', 'whole.txt']);
  await world.restart();
  writeFileSync(join(folder, 'again.txt'), '1');
  await until(3);
  assert.deepEqual(keys(), ['again.txt', 'deep/a+file.txt', 'whole.txt']);
  await sleep(1_500);
  assert.equal(world.runs.length, 3);
  const event = world.runs[0]?.event as { Records: Array<Record<string, unknown>> };
  assert.equal(event.Records[0]?.eventName, 'ObjectCreated:Put');
  await assert.rejects(
    world.call('CreateEventSourceMapping', { EventSourceArn: 'arn:aws:s3:::none', FunctionName: 'work' }),
    /The bucket none does not exist/,
  );
});
