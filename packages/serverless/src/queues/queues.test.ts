import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import { openTestQueues, testCall } from './testing.ts';

const URL = 'http://localhost:4566/000000000000/work';

const named = (exception: string) => (error: unknown) => isSlipwayError(error) && error.reason === exception;

test('a queue is made once, found by its name, and told apart by its attributes', async () => {
  using world = openTestQueues();
  const { call } = world;
  assert.deepEqual(await call('CreateQueue', { QueueName: 'work', Attributes: { DelaySeconds: '5' } }), {
    QueueUrl: URL,
  });
  assert.deepEqual(await call('CreateQueue', { QueueName: 'work' }), { QueueUrl: URL });
  assert.deepEqual(await call('GetQueueUrl', { QueueName: 'work' }), { QueueUrl: URL });
  await assert.rejects(
    call('CreateQueue', { QueueName: 'work', Attributes: { DelaySeconds: '6' } }),
    named('QueueNameExists'),
  );
  await assert.rejects(call('GetQueueUrl', { QueueName: 'none' }), named('QueueDoesNotExist'));
  await assert.rejects(call('CreateQueue', { QueueName: 'a b' }), named('InvalidParameterValue'));
  const attributes = (Attributes: object) => call('CreateQueue', { QueueName: 'other', Attributes });
  await assert.rejects(attributes({ VisibilityTimeout: '43201' }), named('InvalidAttributeValue'));
  await assert.rejects(attributes({ Speed: '1' }), named('InvalidAttributeName'));
  await assert.rejects(attributes({ KmsMasterKeyId: 'key' }), named('UnsupportedOperation'));
  const { Attributes } = await call('GetQueueAttributes', { QueueUrl: URL, AttributeNames: ['All'] });
  assert.equal(Attributes.QueueArn, 'arn:aws:sqs:eu-central-1:000000000000:work');
  assert.equal(Attributes.DelaySeconds, '5');
  assert.equal(Attributes.VisibilityTimeout, '30');
  await call('DeleteQueue', { QueueUrl: URL });
  assert.deepEqual((await call('ListQueues', {})).QueueUrls, []);
});

test('a message comes back when it was not deleted in time, and not when it was', async () => {
  using world = openTestQueues();
  const { call, clock } = world;
  await call('CreateQueue', { QueueName: 'work', Attributes: { VisibilityTimeout: '10' } });
  const sent = await call('SendMessage', { QueueUrl: URL, MessageBody: 'hello' });
  assert.equal(sent.MD5OfMessageBody, '5d41402abc4b2a76b9719d911017c592');
  const receive = async () => {
    const { Messages } = await call('ReceiveMessage', {
      QueueUrl: URL,
      MessageSystemAttributeNames: ['ApproximateReceiveCount'],
    });
    return Messages?.[0];
  };
  const first = await receive();
  assert.equal(first.Body, 'hello');
  assert.equal(first.Attributes.ApproximateReceiveCount, '1');
  assert.equal(await receive(), undefined);
  await clock.advance(10_000);
  const second = await receive();
  assert.equal(second.Attributes.ApproximateReceiveCount, '2');
  // The first receipt is none any more.
  await call('DeleteMessage', { QueueUrl: URL, ReceiptHandle: first.ReceiptHandle });
  await call('ChangeMessageVisibility', {
    QueueUrl: URL,
    ReceiptHandle: second.ReceiptHandle,
    VisibilityTimeout: 0,
  });
  const third = await receive();
  assert.equal(third.MessageId, sent.MessageId);
  await call('DeleteMessage', { QueueUrl: URL, ReceiptHandle: third.ReceiptHandle });
  await clock.advance(60_000);
  assert.equal(await receive(), undefined);
  await assert.rejects(
    call('DeleteMessage', { QueueUrl: URL, ReceiptHandle: 'x' }),
    named('ReceiptHandleIsInvalid'),
  );
  await assert.rejects(
    call('ChangeMessageVisibility', {
      QueueUrl: URL,
      ReceiptHandle: third.ReceiptHandle,
      VisibilityTimeout: 1,
    }),
    named('MessageNotInflight'),
  );
});

test('who waits for a message gets it when it is sent, or when its delay is over, or nothing in the end', async () => {
  using world = openTestQueues();
  const { call, clock } = world;
  await call('CreateQueue', { QueueName: 'work' });
  const wait = () => call('ReceiveMessage', { QueueUrl: URL, WaitTimeSeconds: 20 });
  const sentMeanwhile = wait();
  await clock.advance(5_000);
  await call('SendMessage', { QueueUrl: URL, MessageBody: 'now' });
  await clock.advance(1);
  assert.equal((await sentMeanwhile).Messages[0].Body, 'now');

  await call('SendMessage', { QueueUrl: URL, MessageBody: 'later', DelaySeconds: 7 });
  let isHere = false;
  const delayed = wait().finally(() => {
    isHere = true;
  });
  await clock.advance(6_999);
  assert.equal(isHere, false);
  await clock.advance(1);
  assert.equal((await delayed).Messages[0].Body, 'later');

  const inVain = wait();
  await clock.advance(20_000);
  assert.deepEqual(await inVain, {});
});

test('a message that was received too often goes to the dead letters', async () => {
  using world = openTestQueues();
  const { call, clock, queues } = world;
  await call('CreateQueue', { QueueName: 'dead' });
  const { arn } = queues.get('dead');
  const redrive = JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: '2' });
  await call('CreateQueue', {
    QueueName: 'work',
    Attributes: { RedrivePolicy: redrive, VisibilityTimeout: '1' },
  });
  await call('SendMessage', { QueueUrl: URL, MessageBody: 'poison' });
  for (let time = 0; time < 2; time++) {
    assert.equal((await call('ReceiveMessage', { QueueUrl: URL })).Messages.length, 1);
    await clock.advance(1_000);
  }
  assert.deepEqual(await call('ReceiveMessage', { QueueUrl: URL }), {});
  const { Messages } = await call('ReceiveMessage', { QueueUrl: 'dead', AttributeNames: ['All'] });
  assert.equal(Messages[0].Body, 'poison');
  assert.equal(Messages[0].Attributes.DeadLetterQueueSourceArn, queues.get('work').arn);
  const { queueUrls } = await call('ListDeadLetterSourceQueues', { QueueUrl: 'dead' });
  assert.deepEqual(queueUrls, [URL]);
  await assert.rejects(
    call('SetQueueAttributes', {
      QueueUrl: URL,
      Attributes: { RedrivePolicy: redrive.replace(':dead', ':none') },
    }),
    named('InvalidParameterValue'),
  );
});

test('a FIFO queue keeps the order of each message group, and takes a message once', async () => {
  using world = openTestQueues();
  const { call, clock } = world;
  const QueueUrl = 'line.fifo';
  await call('CreateQueue', { QueueName: QueueUrl, Attributes: { FifoQueue: 'true' } });
  const send = (MessageBody: string, MessageGroupId: string, MessageDeduplicationId = MessageBody) =>
    call('SendMessage', { QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId });
  const first = await send('a1', 'a');
  for (const [body, group] of [
    ['a2', 'a'],
    ['b1', 'b'],
    ['a3', 'a'],
  ] as const) {
    await send(body, group);
  }
  const again = await send('a1', 'a');
  assert.equal(again.MessageId, first.MessageId);
  assert.equal(again.SequenceNumber, first.SequenceNumber);
  const receive = async (MaxNumberOfMessages: number) =>
    (await call('ReceiveMessage', { QueueUrl, MaxNumberOfMessages })).Messages ?? [];
  const [a1] = await receive(1);
  assert.equal(a1.Body, 'a1');
  // Its group waits for it; the other does not.
  assert.deepEqual(
    (await receive(10)).map(({ Body }: { Body: string }) => Body),
    ['b1'],
  );
  await call('DeleteMessage', { QueueUrl, ReceiptHandle: a1.ReceiptHandle });
  assert.deepEqual(
    (await receive(10)).map(({ Body }: { Body: string }) => Body),
    ['a2', 'a3'],
  );
  await clock.advance(5 * 60_000 + 1);
  assert.notEqual((await send('a1', 'a')).MessageId, first.MessageId);
  await assert.rejects(call('SendMessage', { QueueUrl, MessageBody: 'x' }), named('MissingParameter'));
  await assert.rejects(
    call('SendMessage', { QueueUrl, MessageBody: 'x', MessageGroupId: 'g' }),
    named('InvalidParameterValue'),
  );
});

test('a batch tells for each entry whether it went well', async () => {
  using world = openTestQueues();
  const { call } = world;
  await call('CreateQueue', { QueueName: 'work' });
  const { Successful, Failed } = await call('SendMessageBatch', {
    QueueUrl: URL,
    Entries: [
      { Id: 'one', MessageBody: '1' },
      { Id: 'two', MessageBody: 'bad \u0001' },
      { Id: 'three', MessageBody: '3' },
    ],
  });
  assert.deepEqual(
    Successful.map(({ Id }: { Id: string }) => Id),
    ['one', 'three'],
  );
  assert.equal(Failed[0].Code, 'InvalidMessageContents');
  assert.equal(Failed[0].SenderFault, true);
  const { Messages } = await call('ReceiveMessage', { QueueUrl: URL, MaxNumberOfMessages: 10 });
  assert.deepEqual(
    Messages.map(({ Body }: { Body: string }) => Body),
    ['1', '3'],
  );
  await assert.rejects(call('SendMessageBatch', { QueueUrl: URL, Entries: [] }), named('EmptyBatchRequest'));
  await assert.rejects(
    call('DeleteMessageBatch', {
      QueueUrl: URL,
      Entries: [
        { Id: 'x', ReceiptHandle: 'a' },
        { Id: 'x', ReceiptHandle: 'b' },
      ],
    }),
    named('BatchEntryIdsNotDistinct'),
  );
});

test('messages are counted as visible, in flight and delayed; they are purged, and forgotten when they are old', async () => {
  using world = openTestQueues();
  const { call, clock } = world;
  await call('CreateQueue', { QueueName: 'work', Attributes: { MessageRetentionPeriod: '60' } });
  for (const DelaySeconds of [0, 0, 0, 9]) {
    await call('SendMessage', { QueueUrl: URL, MessageBody: 'm', DelaySeconds });
  }
  await call('ReceiveMessage', { QueueUrl: URL });
  const counts = async () => {
    const { Attributes } = await call('GetQueueAttributes', { QueueUrl: URL, AttributeNames: ['All'] });
    return [
      Attributes.ApproximateNumberOfMessages,
      Attributes.ApproximateNumberOfMessagesNotVisible,
      Attributes.ApproximateNumberOfMessagesDelayed,
    ];
  };
  assert.deepEqual(await counts(), ['2', '1', '1']);
  await call('PurgeQueue', { QueueUrl: URL });
  assert.deepEqual(await counts(), ['0', '0', '0']);
  await call('SendMessage', { QueueUrl: URL, MessageBody: 'old' });
  await clock.advance(61_000);
  assert.deepEqual(await call('ReceiveMessage', { QueueUrl: URL }), {});
  await clock.advance(60_000);
  assert.deepEqual(await counts(), ['0', '0', '0']);
});

test('attributes of a message are received when they are asked for', async () => {
  using world = openTestQueues();
  const { call } = world;
  await call('CreateQueue', { QueueName: 'work' });
  await call('SendMessage', {
    QueueUrl: URL,
    MessageBody: 'm',
    MessageAttributes: {
      'trace.id': { DataType: 'String', StringValue: 'abc' },
      size: { DataType: 'Number', StringValue: '12' },
      bytes: { DataType: 'Binary', BinaryValue: Buffer.of(1, 2) },
    },
  });
  const receive = async (...MessageAttributeNames: string[]) => {
    const { Messages } = await call('ReceiveMessage', {
      QueueUrl: URL,
      MessageAttributeNames,
      VisibilityTimeout: 0,
    });
    return Messages[0];
  };
  assert.deepEqual(Object.keys((await receive()).MessageAttributes ?? {}), []);
  assert.deepEqual((await receive('trace.*')).MessageAttributes, {
    'trace.id': { DataType: 'String', StringValue: 'abc' },
  });
  const all = await receive('All');
  assert.deepEqual(all.MessageAttributes.bytes, { DataType: 'Binary', BinaryValue: Uint8Array.of(1, 2) });
  assert.match(all.MD5OfMessageAttributes, /^[0-9a-f]{32}$/);
});

test('tags are added, listed and removed', async () => {
  using world = openTestQueues();
  const { call } = world;
  await call('CreateQueue', { QueueName: 'work', tags: { a: '1' } });
  await call('TagQueue', { QueueUrl: URL, Tags: { b: '2' } });
  await call('UntagQueue', { QueueUrl: URL, TagKeys: ['a'] });
  assert.deepEqual(await call('ListQueueTags', { QueueUrl: URL }), { Tags: { b: '2' } });
});

test('a full queue refuses', async () => {
  using world = openTestQueues({ maxMessagesPerQueue: 3 });
  world.queues.create('work', {}, {}, testCall());
  await assert.rejects(
    Promise.all(
      Array.from({ length: 4 }, (_, index) => world.queues.sendMessage('work', { body: `m${index}` })),
    ),
    named('OverLimit'),
  );
});
