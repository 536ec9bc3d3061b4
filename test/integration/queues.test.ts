import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine({ port: 'free' });
const made = await engine.slipway('iam', 'create-access-key', '--format', 'json');
const { AccessKey: key } = JSON.parse(made.stdout);
const address = { endpoint: `http://localhost:${engine.port}`, region: 'eu-central-1', maxAttempts: 1 };
const sqs = new SQSClient({
  ...address,
  credentials: { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey },
});
after(() => sqs.destroy());

const create = async (QueueName: string, Attributes: Record<string, string> = {}) => {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
  return QueueUrl ?? '';
};

test('the SDK makes a queue at the address that it used, and finds it again', async () => {
  const QueueUrl = await create('found');
  assert.equal(QueueUrl, `http://localhost:${engine.port}/000000000000/found`);
  assert.equal((await sqs.send(new GetQueueUrlCommand({ QueueName: 'found' }))).QueueUrl, QueueUrl);
  assert.deepEqual((await sqs.send(new ListQueuesCommand({ QueueNamePrefix: 'fo' }))).QueueUrls, [QueueUrl]);
  await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  const gone = sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x' }));
  await assert.rejects(
    gone,
    (error: Error & { Error?: unknown; $metadata?: { httpStatusCode?: number } }) => {
      assert.equal(error.name, 'QueueDoesNotExist');
      assert.equal(error.$metadata?.httpStatusCode, 400);
      return true;
    },
  );
});

test('who is let in by no key is told so as SQS tells it', async () => {
  const refused = async (credentials: { accessKeyId: string; secretAccessKey: string }, code: string) => {
    const client = new SQSClient({ ...address, credentials });
    const error: Error & { Code?: string; $metadata?: { httpStatusCode?: number } } = await client
      .send(new ListQueuesCommand({}))
      .then(
        () => assert.fail('it was let in'),
        (thrown: Error) => thrown,
      );
    client.destroy();
    assert.deepEqual([error.name, error.Code, error.$metadata?.httpStatusCode], [code, code, 403]);
  };
  await refused({ accessKeyId: 'AKIDOTHER', secretAccessKey: 'x' }, 'InvalidClientTokenId');
  await refused({ accessKeyId: key.AccessKeyId, secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch');
});

test('messages with attributes go through whole: the SDK verifies their digests', async () => {
  const QueueUrl = await create('whole');
  const body = 'äöü 🚢 {"a":1}';
  const waiting = sqs.send(
    new ReceiveMessageCommand({
      QueueUrl,
      WaitTimeSeconds: 10,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    }),
  );
  await sqs.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: body,
      MessageAttributes: {
        kind: { DataType: 'String', StringValue: 'ship' },
        bytes: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255, 1) },
      },
    }),
  );
  const [message] = (await waiting).Messages ?? [];
  assert.equal(message?.Body, body);
  assert.equal(message?.MessageAttributes?.kind?.StringValue, 'ship');
  assert.deepEqual(
    Buffer.from(message?.MessageAttributes?.bytes?.BinaryValue ?? []),
    Buffer.from([0, 255, 1]),
  );
  assert.equal(message?.Attributes?.ApproximateReceiveCount, '1');
  assert.equal(message?.Attributes?.SenderId, 'root');
  const ReceiptHandle = message?.ReceiptHandle ?? '';
  await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 0 }));
  const [again] = (await sqs.send(new ReceiveMessageCommand({ QueueUrl }))).Messages ?? [];
  assert.equal(again?.MessageId, message?.MessageId);
  await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: again?.ReceiptHandle }));
});

test('a FIFO queue gives a message group in its order', async () => {
  const QueueUrl = await create('line.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  const Entries = ['1', '2', '3', '2'].map((MessageBody, index) => ({
    Id: `n${index}`,
    MessageBody,
    MessageGroupId: 'g',
  }));
  const { Successful } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  assert.equal(Successful?.length, 4);
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  assert.deepEqual(
    Messages.map(({ Body }) => Body),
    ['1', '2', '3'],
  );
});

test('what was sent survives a kill of the daemon, and what was deleted stays away', async () => {
  const QueueUrl = await create('kept');
  const sent = Array.from({ length: 40 }, (_, index) => String(index));
  await Promise.all(sent.map((MessageBody) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))));
  const taken = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  await sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl,
      Entries: (taken.Messages ?? []).map(({ ReceiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle,
      })),
    }),
  );
  await engine.kill();
  await engine.start();
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
  );
  assert.equal(Attributes?.ApproximateNumberOfMessages, '30');
  const bodies = new Set((taken.Messages ?? []).map(({ Body }) => Body));
  while (bodies.size < 40) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    assert.ok(Messages.length > 0, `only ${bodies.size} came`);
    for (const { Body } of Messages) bodies.add(Body);
  }
  assert.deepEqual([...bodies].sort(), [...sent].sort());
});
