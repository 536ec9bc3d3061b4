import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  CreateEventSourceMappingCommand,
  DeleteEventSourceMappingCommand,
  GetEventSourceMappingCommand,
  PutFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  SchedulerClient,
} from '@aws-sdk/client-scheduler';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { eventually } from './harness/command.ts';
import { loadRuntimes, nodeZip, REGION, ROLE, useLambda } from './harness/functions.ts';
import { useEngine } from './harness/suite.ts';

const buckets = mkdtempSync(join(tmpdir(), 'slt-buckets-'));
after(() => rmSync(buckets, { recursive: true, force: true }));
mkdirSync(join(buckets, 'inbox'));
const engine = await useEngine({ port: 'free', flags: ['--function-code-root', buckets] });
await loadRuntimes(engine, ['nodejs24.x']);
const lambda = await useLambda(engine);
const config = { endpoint: lambda.endpoint, region: REGION, credentials: lambda.key, maxAttempts: 1 };
const sqs = new SQSClient(config);
const scheduler = new SchedulerClient(config);
after(() => {
  sqs.destroy();
  scheduler.destroy();
});

const arnOf = (queue: string) => `arn:aws:sqs:${REGION}:000000000000:${queue}`;
const functionArn = (name: string) => `arn:aws:lambda:${REGION}:000000000000:function:${name}`;

async function createQueue(QueueName: string, Attributes: Record<string, string> = {}): Promise<string> {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl ?? '';
}

/** The next message of a queue, which is deleted. */
async function take(QueueUrl: string) {
  const { Messages: [message] = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 15, MessageAttributeNames: ['All'] }),
  );
  assert.ok(message, `nothing came to ${QueueUrl}`);
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  return { attributes: message.MessageAttributes ?? {}, body: JSON.parse(message.Body ?? 'null') };
}

const ACTOR = `
export const handler = async (event) => {
  if (event.fail) throw new RangeError('too far');
  if (event.sleepMs) await new Promise((resolve) => setTimeout(resolve, event.sleepMs));
  if (event.Records?.[0]?.eventSource === 'aws:sqs') {
    const failed = event.Records.filter(({ body }) => body.startsWith('bad'));
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  }
  return { saw: event };
};
`;
const done = await createQueue('done');
const failed = await createQueue('failed');
const dead = await createQueue('dead');
await lambda.create('actor', nodeZip(ACTOR), { Timeout: 3, DeadLetterConfig: { TargetArn: arnOf('dead') } });
await lambda.client.send(
  new PutFunctionEventInvokeConfigCommand({
    FunctionName: 'actor',
    MaximumRetryAttempts: 0,
    DestinationConfig: {
      OnSuccess: { Destination: arnOf('done') },
      OnFailure: { Destination: arnOf('failed') },
    },
  }),
);
const send = (event: object) => lambda.invoke('actor', event, { InvocationType: 'Event' });

test('an event is answered at once, and its result goes to the destination', async () => {
  assert.equal((await send({ n: 1 })).status, 202);
  const { body } = await take(done);
  assert.equal(body.requestContext.condition, 'Success');
  assert.equal(body.requestContext.functionArn, `${functionArn('actor')}:$LATEST`);
  assert.deepEqual(body.requestPayload, { n: 1 });
  assert.deepEqual(body.responsePayload, { saw: { n: 1 } });
});

test('an event that fails goes to the destination of failure and to the dead letters', async () => {
  await send({ fail: true });
  const { body } = await take(failed);
  assert.equal(body.requestContext.condition, 'RetriesExhausted');
  assert.equal(body.responseContext.functionError, 'Unhandled');
  assert.equal(body.responsePayload.errorType, 'RangeError');
  const letter = await take(dead);
  assert.deepEqual(letter.body, { fail: true });
  assert.equal(letter.attributes.ErrorMessage?.StringValue, 'too far');
});

test('of a batch of a queue, what the function reports as failed comes again and ends in the dead letters', async () => {
  const lost = await createQueue('lost');
  const QueueUrl = await createQueue('work', {
    VisibilityTimeout: '3',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arnOf('lost'), maxReceiveCount: 2 }),
  });
  const { UUID } = await lambda.client.send(
    new CreateEventSourceMappingCommand({
      FunctionName: 'actor',
      EventSourceArn: arnOf('work'),
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    }),
  );
  const state = async () => (await lambda.client.send(new GetEventSourceMappingCommand({ UUID }))).State;
  await eventually('the mapping is enabled', async () => (await state()) === 'Enabled');
  const Entries = ['good', 'bad', 'fine'].map((text, index) => ({
    Id: String(index),
    MessageBody: text,
  }));
  await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  const { Messages: [message] = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: lost, WaitTimeSeconds: 20 }),
  );
  assert.equal(message?.Body, 'bad');
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  assert.equal(Attributes?.ApproximateNumberOfMessages, '0');
  assert.equal(Attributes?.ApproximateNumberOfMessagesNotVisible, '0');
  await lambda.client.send(new DeleteEventSourceMappingCommand({ UUID }));
  await eventually('the mapping is gone', () =>
    lambda.client.send(new GetEventSourceMappingCommand({ UUID })).then(
      () => false,
      (error: Error) => error.name === 'ResourceNotFoundException',
    ),
  );
});

test('a schedule invokes the function with an event of EventBridge, and sends to a queue what it was told', async () => {
  const common = { FlexibleTimeWindow: { Mode: 'OFF' }, ScheduleExpression: 'rate(1 hour)' } as const;
  const { ScheduleArn } = await scheduler.send(
    new CreateScheduleCommand({
      Name: 'hourly',
      ...common,
      Target: { Arn: functionArn('actor'), RoleArn: ROLE },
    }),
  );
  const { body } = await take(done);
  assert.equal(body.requestPayload['detail-type'], 'Scheduled Event');
  assert.deepEqual(body.requestPayload.resources, [ScheduleArn]);
  await scheduler.send(
    new CreateScheduleCommand({
      Name: 'note',
      ...common,
      ScheduleExpressionTimezone: 'Europe/Berlin',
      Target: { Arn: arnOf('done'), RoleArn: ROLE, Input: '{"say":"<aws.scheduler.attempt-number>"}' },
    }),
  );
  assert.deepEqual((await take(done)).body, { say: '1' });
  const found = await scheduler.send(new GetScheduleCommand({ Name: 'note' }));
  assert.equal(found.ScheduleExpressionTimezone, 'Europe/Berlin');
  for (const Name of ['hourly', 'note']) await scheduler.send(new DeleteScheduleCommand({ Name }));
});

test('a file that comes into a bucket is told as S3 tells of objects, also when it came while nobody watched', async () => {
  const { UUID } = await lambda.client.send(
    new CreateEventSourceMappingCommand({ FunctionName: 'actor', EventSourceArn: 'arn:aws:s3:::inbox' }),
  );
  const state = async () => await lambda.client.send(new GetEventSourceMappingCommand({ UUID }));
  await eventually('the mapping is enabled', async () => (await state()).State === 'Enabled');
  writeFileSync(join(buckets, 'inbox', 'one.txt'), 'hello');
  const [first] = (await take(done)).body.requestPayload.Records;
  assert.equal(first.eventName, 'ObjectCreated:Put');
  assert.equal(first.s3.bucket.name, 'inbox');
  assert.deepEqual([first.s3.object.key, first.s3.object.size], ['one.txt', 5]);
  await engine.kill();
  writeFileSync(join(buckets, 'inbox', 'two.txt'), 'hello again');
  await engine.start();
  const [second] = (await take(done)).body.requestPayload.Records;
  assert.equal(second.s3.object.key, 'two.txt');
  await lambda.client.send(new DeleteEventSourceMappingCommand({ UUID }));
});

test('events that were accepted run through a kill of the daemon', async () => {
  const ids = Array.from({ length: 40 }, (_, index) => index);
  await Promise.all(ids.map((id) => send({ id, sleepMs: 100 })));
  await engine.kill();
  await engine.start();
  const seen = new Set<number>();
  while (seen.size < ids.length) seen.add((await take(done)).body.requestPayload.id);
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    ids,
  );
});
