import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { isSlipwayError, silentLogger, systemRandom } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import { openTestQueues, testCall } from '../queues/testing.ts';
import { AsyncInvocations, type AsyncLimits } from './service.ts';
import { type TestFunction, testFunctions } from './testing.ts';

const MINUTE = 60_000;
const queueArn = (name: string) => `arn:aws:sqs:eu-central-1:000000000000:${name}`;

function open(functions: Record<string, TestFunction>, limits: Partial<AsyncLimits> = {}) {
  const { database, clock, queues, call, ...rest } = openTestQueues();
  const fake = testFunctions(functions, () => clock.nowMs());
  const events = new AsyncInvocations({
    database,
    clock,
    queues,
    catalog: fake.catalog,
    random: systemRandom,
    logger: silentLogger,
    limits,
  });
  return {
    events,
    clock,
    queues,
    call,
    runs: fake.runs,
    functions: fake.functions,
    start: () => events.start(fake.invoker),
    send: async (name: string, event: unknown, requestId: string = randomUUID()) => {
      await events.accept({
        target: fake.catalog.resolve(name),
        requestId,
        payload: Buffer.from(JSON.stringify(event)),
      });
      return requestId;
    },
    received: async (queue: string) =>
      (
        await call('ReceiveMessage', {
          QueueUrl: queue,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
        })
      ).Messages ?? [],
    [Symbol.asyncDispose]: async () => {
      await events[Symbol.asyncDispose]();
      rest[Symbol.dispose]();
    },
  };
}

const fail = () => {
  throw new TypeError('no luck');
};

test('an event runs, and its result goes to the destination of success', async () => {
  await using world = open({ hello: { run: () => ({ ok: true }), config: { onSuccess: queueArn('done') } } });
  world.queues.create('done', {}, {}, testCall());
  world.start();
  const requestId = await world.send('hello', { a: 1 });
  await world.clock.advance(1);
  assert.deepEqual(
    world.runs.map(({ event }) => event),
    [{ a: 1 }],
  );
  const [message] = await world.received('done');
  const { timestamp, ...record } = JSON.parse(message.Body);
  assert.match(timestamp, /^2026-01-01T00:00:00\.\d{3}Z$/);
  assert.deepEqual(record, {
    version: '1.0',
    requestContext: {
      requestId,
      functionArn: 'arn:aws:lambda:eu-central-1:000000000000:function:hello:$LATEST',
      condition: 'Success',
      approximateInvokeCount: 1,
    },
    requestPayload: { a: 1 },
    responseContext: { statusCode: 200, executedVersion: '$LATEST' },
    responsePayload: { ok: true },
  });
  assert.equal(world.events.backlog(), 0);
});

test('what fails runs three times over three minutes, then goes to the destination of failure and the dead letters', async () => {
  await using world = open({
    bad: { run: fail, config: { onFailure: queueArn('failed'), deadLetterTarget: queueArn('dead') } },
  });
  for (const name of ['failed', 'dead']) world.queues.create(name, {}, {}, testCall());
  world.start();
  const beganAtMs = world.clock.nowMs();
  const requestId = await world.send('bad', { n: 7 });
  await world.clock.advance(4 * MINUTE);
  assert.deepEqual(
    world.runs.map(({ atMs }) => atMs - beganAtMs),
    [0, MINUTE, 3 * MINUTE],
  );
  const [failed] = await world.received('failed');
  const record = JSON.parse(failed.Body);
  assert.equal(record.requestContext.condition, 'RetriesExhausted');
  assert.equal(record.requestContext.approximateInvokeCount, 3);
  assert.deepEqual(record.responseContext, {
    statusCode: 200,
    executedVersion: '$LATEST',
    functionError: 'Unhandled',
  });
  assert.deepEqual(record.responsePayload, { errorType: 'TypeError', errorMessage: 'no luck' });
  const [dead] = await world.received('dead');
  assert.equal(dead.Body, '{"n":7}');
  assert.deepEqual(dead.MessageAttributes, {
    RequestID: { DataType: 'String', StringValue: requestId },
    ErrorCode: { DataType: 'Number', StringValue: '200' },
    ErrorMessage: { DataType: 'String', StringValue: 'no luck' },
  });
  assert.equal(world.events.backlog(), 0);
});

test('a throttled event waits and runs when there is room again', async () => {
  let isFull = true;
  await using world = open({
    busy: {
      run: () => {
        if (isFull) throw awsError('ResourceExhausted', 'TooManyRequestsException', 'Rate Exceeded.');
        return 1;
      },
    },
  });
  world.start();
  await world.send('busy', {});
  await world.clock.advance(10_000);
  assert.equal(world.runs.length, 4);
  isFull = false;
  await world.clock.advance(10_000);
  assert.equal(world.runs.length, 5);
  assert.equal(world.events.backlog(), 0);
});

test('a throttled event past its age is told as such', async () => {
  await using world = open({
    busy: {
      run: () => {
        throw awsError('ResourceExhausted', 'TooManyRequestsException', 'Rate Exceeded.');
      },
      config: { maxAgeSeconds: 60, onFailure: queueArn('failed'), deadLetterTarget: queueArn('dead') },
    },
  });
  for (const name of ['failed', 'dead']) world.queues.create(name, {}, {}, testCall());
  world.start();
  await world.send('busy', {});
  await world.clock.advance(59_000);
  assert.deepEqual(await world.received('failed'), []);
  await world.clock.advance(1_000);
  const [failed] = await world.received('failed');
  assert.equal(JSON.parse(failed.Body).requestContext.condition, 'EventAgeExceeded');
  const [dead] = await world.received('dead');
  assert.equal(dead.Body, '{}');
});

test('a function without reserved concurrency gets no event', async () => {
  await using world = open({ off: { reservedConcurrency: 0, config: { onFailure: queueArn('failed') } } });
  world.queues.create('failed', {}, {}, testCall());
  world.start();
  await world.send('off', {});
  await world.clock.advance(1);
  const [failed] = await world.received('failed');
  assert.equal(JSON.parse(failed.Body).requestContext.condition, 'ZeroReservedConcurrency');
  assert.equal(world.runs.length, 0);
});

test('a function is a destination, and functions that send to each other stop', async () => {
  await using world = open({
    ping: { config: { onSuccess: 'arn:aws:lambda:eu-central-1:000000000000:function:pong' } },
    pong: { config: { onSuccess: 'arn:aws:lambda:eu-central-1:000000000000:function:ping' } },
  });
  world.start();
  await world.send('ping', 'ball');
  await world.clock.advance(1_000);
  assert.equal(world.runs.length, 17);
  assert.equal(world.runs[1]?.functionName, 'pong');
});

test('a backlog of one function is not in the way of another', async () => {
  const release = Promise.withResolvers<void>();
  await using world = open(
    { slow: { run: () => release.promise }, quick: {} },
    { maxConcurrency: 20, maxConcurrencyPerFunction: 8 },
  );
  world.start();
  await Promise.all(Array.from({ length: 100 }, (_, index) => world.send('slow', index)));
  await world.send('quick', 'me');
  await world.clock.advance(1);
  assert.equal(world.runs.filter(({ functionName }) => functionName === 'slow').length, 8);
  assert.equal(world.runs.filter(({ functionName }) => functionName === 'quick').length, 1);
  release.resolve();
  await world.clock.advance(100);
  assert.equal(world.events.backlog(), 0);
});

test('a full queue and a too large event are refused, and what was refused never runs', async () => {
  await using world = open(
    { one: {}, two: {} },
    { maxEventsPerFunction: 2, maxEvents: 3, maxPayloadBytes: 10 },
  );
  await world.send('one', 1);
  await world.send('one', 2);
  await assert.rejects(world.send('one', 3), (error) => isSlipwayError(error, 'ResourceExhausted'));
  await world.send('two', 4);
  await assert.rejects(world.send('two', 5), /Rate Exceeded/);
  await assert.rejects(world.send('two', 'longer than ten'), /17 byte payload is too large for the Event/);
  world.start();
  await world.clock.advance(1);
  assert.deepEqual(
    world.runs.map(({ event }) => event),
    [1, 4, 2],
  );
});

test('the events of a function that was deleted are dropped', async () => {
  await using world = open({ gone: {} });
  await world.send('gone', 1);
  world.functions.delete('gone');
  world.start();
  await world.clock.advance(1);
  assert.equal(world.events.backlog(), 0);
  assert.equal(world.runs.length, 0);
});
