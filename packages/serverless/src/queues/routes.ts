import type {
  BatchResultErrorEntry,
  ChangeMessageVisibilityBatchRequest,
  ChangeMessageVisibilityBatchResult,
  ChangeMessageVisibilityRequest,
  CreateQueueRequest,
  CreateQueueResult,
  DeleteMessageBatchRequest,
  DeleteMessageBatchResult,
  DeleteMessageRequest,
  DeleteQueueRequest,
  GetQueueAttributesRequest,
  GetQueueAttributesResult,
  GetQueueUrlRequest,
  GetQueueUrlResult,
  ListDeadLetterSourceQueuesRequest,
  ListDeadLetterSourceQueuesResult,
  ListQueuesRequest,
  ListQueuesResult,
  ListQueueTagsRequest,
  ListQueueTagsResult,
  Message,
  PurgeQueueRequest,
  ReceiveMessageRequest,
  ReceiveMessageResult,
  SendMessageBatchRequest,
  SendMessageBatchRequestEntry,
  SendMessageBatchResult,
  SendMessageRequest,
  SendMessageResult,
  SetQueueAttributesRequest,
  TagQueueRequest,
  UntagQueueRequest,
} from '@aws-sdk/client-sqs';
import { isSlipwayError } from '@slipway/base';
import { type AwsCall, type AwsOperation, awsError, operation } from '../aws/index.ts';
import {
  invalidParameter,
  type MessageAttributes,
  md5,
  md5OfAttributes,
  messageBytes,
  type NewMessage,
  type ReceivedMessage,
} from './message.ts';
import { formatSettings, type Queue, queueNameOf } from './queue.ts';
import type { Queues } from './service.ts';

/** The operations of SQS's API. @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html */
export const queueOperations = (queues: Queues): AwsOperation[] => [
  ...administration(queues),
  ...tagging(queues),
  ...messages(queues),
  ...batches(queues),
];

const administration = (queues: Queues): AwsOperation[] => [
  operation<CreateQueueRequest, CreateQueueResult>('CreateQueue', (input, call) => {
    const queue = queues.create(input.QueueName ?? '', input.Attributes ?? {}, input.tags ?? {}, call);
    return { QueueUrl: queueUrl(queue, call) };
  }),
  operation<GetQueueUrlRequest, GetQueueUrlResult>('GetQueueUrl', (input, call) => ({
    QueueUrl: queueUrl(queues.get(input.QueueName ?? ''), call),
  })),
  operation<ListQueuesRequest, ListQueuesResult>('ListQueues', (input, call) => {
    const { page, next } = paged(queues.list(input.QueueNamePrefix), input);
    return { QueueUrls: page.map((queue) => queueUrl(queue, call)), NextToken: next };
  }),
  operation<ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult>(
    'ListDeadLetterSourceQueues',
    (input, call) => {
      const { page, next } = paged(queues.deadLetterSources(named(input)), input);
      return { queueUrls: page.map((queue) => queueUrl(queue, call)), NextToken: next };
    },
  ),
  operation<DeleteQueueRequest, object>('DeleteQueue', (input) => {
    queues.delete(named(input));
    return {};
  }),
  operation<PurgeQueueRequest, object>('PurgeQueue', (input) => {
    queues.purge(named(input));
    return {};
  }),
  operation<SetQueueAttributesRequest, object>('SetQueueAttributes', (input) => {
    queues.setAttributes(named(input), input.Attributes ?? {});
    return {};
  }),
  operation<GetQueueAttributesRequest, GetQueueAttributesResult>('GetQueueAttributes', (input) => {
    const attributes = queueAttributes(queues, named(input));
    const wanted = new Set<string>(input.AttributeNames ?? []);
    for (const name of wanted) {
      if (name !== 'All' && !KNOWN_ATTRIBUTES.has(name)) {
        throw awsError('InvalidArgument', 'InvalidAttributeName', `Unknown Attribute ${name}.`);
      }
    }
    return {
      Attributes: Object.fromEntries(
        Object.entries(attributes).filter(([name]) => wanted.has('All') || wanted.has(name)),
      ),
    };
  }),
];

const tagging = (queues: Queues): AwsOperation[] => [
  operation<TagQueueRequest, object>('TagQueue', (input) => {
    const name = named(input);
    queues.setTags(name, { ...queues.get(name).tags, ...input.Tags });
    return {};
  }),
  operation<UntagQueueRequest, object>('UntagQueue', (input) => {
    const name = named(input);
    const removed = new Set(input.TagKeys);
    queues.setTags(
      name,
      Object.fromEntries(Object.entries(queues.get(name).tags).filter(([key]) => !removed.has(key))),
    );
    return {};
  }),
  operation<ListQueueTagsRequest, ListQueueTagsResult>('ListQueueTags', (input) => ({
    Tags: { ...queues.get(named(input)).tags },
  })),
];

const messages = (queues: Queues): AwsOperation[] => [
  operation<SendMessageRequest, SendMessageResult>(
    'SendMessage',
    async (input, call) => await sendOne(queues, named(input), input, call),
  ),
  operation<ReceiveMessageRequest, ReceiveMessageResult>('ReceiveMessage', async (input, call) => {
    const received = await queues.receive(named(input), {
      maxMessages: inRange('MaxNumberOfMessages', input.MaxNumberOfMessages ?? 1, 1, 10),
      visibilityTimeoutSeconds:
        input.VisibilityTimeout === undefined
          ? undefined
          : inRange('VisibilityTimeout', input.VisibilityTimeout, 0, 43_200),
      waitSeconds:
        input.WaitTimeSeconds === undefined
          ? undefined
          : inRange('WaitTimeSeconds', input.WaitTimeSeconds, 0, 20),
      signal: call.signal,
    });
    return received.length === 0 ? {} : { Messages: received.map((message) => toWire(message, input)) };
  }),
  operation<DeleteMessageRequest, object>('DeleteMessage', async (input) => {
    await queues.deleteMessage(named(input), input.ReceiptHandle ?? '');
    return {};
  }),
  operation<ChangeMessageVisibilityRequest, object>('ChangeMessageVisibility', async (input) => {
    await queues.changeVisibility(
      named(input),
      input.ReceiptHandle ?? '',
      input.VisibilityTimeout ?? Number.NaN,
    );
    return {};
  }),
];

const batches = (queues: Queues): AwsOperation[] => [
  operation<SendMessageBatchRequest, SendMessageBatchResult>('SendMessageBatch', async (input, call) => {
    const name = named(input);
    const queue = queues.get(name);
    const sizeBytes = (input.Entries ?? []).reduce(
      (sum, entry) => sum + messageBytes(toMessage(entry, call)),
      0,
    );
    if (sizeBytes > MAX_BATCH_BYTES) {
      throw awsError(
        'InvalidArgument',
        'BatchRequestTooLong',
        `Batch requests cannot be longer than ${MAX_BATCH_BYTES} bytes. You have sent ${sizeBytes} bytes.`,
      );
    }
    // Side by side: they are written in the order in which they were given, in one commit.
    return await batch(input.Entries, (entry) => sendOne(queues, queue.name, entry, call));
  }),
  operation<DeleteMessageBatchRequest, DeleteMessageBatchResult>('DeleteMessageBatch', async (input) => {
    const { name } = queues.get(named(input));
    return await batch(input.Entries, async (entry) => {
      await queues.deleteMessage(name, entry.ReceiptHandle ?? '');
      return {};
    });
  }),
  operation<ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult>(
    'ChangeMessageVisibilityBatch',
    async (input) => {
      const { name } = queues.get(named(input));
      return await batch(input.Entries, async (entry) => {
        await queues.changeVisibility(name, entry.ReceiptHandle ?? '', entry.VisibilityTimeout ?? Number.NaN);
        return {};
      });
    },
  ),
];

const MAX_BATCH_BYTES = 1_048_576;
const MAX_BATCH_ENTRIES = 10;

/** Does each entry by itself, and tells which went well. */
async function batch<Entry extends { Id: string | undefined }, Result extends object>(
  entries: readonly Entry[] | undefined,
  work: (entry: Entry) => Promise<Result>,
): Promise<{ Successful: Array<Result & { Id: string }>; Failed: BatchResultErrorEntry[] }> {
  checkBatch(entries ?? []);
  const Successful: Array<Result & { Id: string }> = [];
  const Failed: BatchResultErrorEntry[] = [];
  const results = await Promise.allSettled((entries ?? []).map(work));
  for (const [index, result] of results.entries()) {
    const Id = entries?.[index]?.Id ?? '';
    if (result.status === 'fulfilled') {
      Successful.push({ ...result.value, Id });
    } else {
      if (!isSlipwayError(result.reason)) throw result.reason;
      const { code, reason, message } = result.reason;
      const SenderFault = code === 'InvalidArgument' || code === 'NotFound';
      Failed.push({ Id, SenderFault, Code: reason ?? code, Message: message });
    }
  }
  return { Successful, Failed };
}

function checkBatch(entries: ReadonlyArray<{ Id: string | undefined }>): void {
  const refuse = (exception: string, message: string) => awsError('InvalidArgument', exception, message);
  if (entries.length === 0) {
    throw refuse('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > MAX_BATCH_ENTRIES) {
    throw refuse(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}. You have sent ${entries.length}.`,
    );
  }
  const seen = new Set<string>();
  for (const { Id = '' } of entries) {
    if (!/^[\w-]{1,80}$/.test(Id)) {
      throw refuse(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    }
    if (seen.has(Id)) throw refuse('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    seen.add(Id);
  }
}

async function sendOne(
  queues: Queues,
  name: string,
  input: Omit<SendMessageBatchRequestEntry, 'Id'>,
  call: AwsCall,
): Promise<
  Omit<SendMessageResult, 'MessageId' | 'MD5OfMessageBody'> & { MessageId: string; MD5OfMessageBody: string }
> {
  if (input.DelaySeconds !== undefined) inRange('DelaySeconds', input.DelaySeconds, 0, 900);
  const sent = await queues.sendMessage(name, toMessage(input, call));
  return {
    MessageId: sent.messageId,
    MD5OfMessageBody: md5(input.MessageBody ?? ''),
    MD5OfMessageAttributes: md5OfAttributes(input.MessageAttributes ?? {}),
    MD5OfMessageSystemAttributes: md5OfAttributes((input.MessageSystemAttributes ?? {}) as MessageAttributes),
    SequenceNumber: sent.sequenceNumber,
  };
}

const toMessage = (input: Omit<SendMessageBatchRequestEntry, 'Id'>, call: AwsCall): NewMessage => ({
  body: input.MessageBody ?? '',
  attributes: input.MessageAttributes,
  traceHeader: input.MessageSystemAttributes?.AWSTraceHeader?.StringValue,
  delaySeconds: input.DelaySeconds,
  groupId: input.MessageGroupId,
  deduplicationId: input.MessageDeduplicationId,
  senderId: call.caller.kind === 'account' ? call.caller.name : call.caller.kind,
});

function toWire(message: ReceivedMessage, asked: ReceiveMessageRequest): Message {
  const wanted = new Set<string>([
    ...(asked.AttributeNames ?? []),
    ...(asked.MessageSystemAttributeNames ?? []),
  ]);
  const system = Object.entries(systemAttributes(message)).filter(
    ([name]) => wanted.has('All') || wanted.has(name),
  );
  const attributes = Object.fromEntries(
    Object.entries(message.attributes).filter(([name]) => isWanted(name, asked.MessageAttributeNames ?? [])),
  );
  return {
    MessageId: message.messageId,
    ReceiptHandle: message.receiptHandle,
    Body: message.body,
    MD5OfBody: message.md5OfBody,
    ...(system.length > 0 && { Attributes: Object.fromEntries(system) }),
    ...(Object.keys(attributes).length > 0 && {
      MessageAttributes: attributes,
      MD5OfMessageAttributes: md5OfAttributes(attributes),
    }),
  };
}

/** The attributes that SQS itself gives a message. */
export const systemAttributes = (message: ReceivedMessage): Record<string, string> => ({
  SenderId: message.senderId,
  SentTimestamp: String(message.sentAtMs),
  ApproximateReceiveCount: String(message.receiveCount),
  ApproximateFirstReceiveTimestamp: String(message.firstReceivedAtMs),
  ...defined({
    AWSTraceHeader: message.traceHeader,
    MessageGroupId: message.groupId,
    MessageDeduplicationId: message.deduplicationId,
    SequenceNumber: message.sequenceNumber,
    DeadLetterQueueSourceArn: message.deadLetterSourceArn,
  }),
});

const defined = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

const isWanted = (name: string, patterns: readonly string[]): boolean =>
  patterns.some(
    (pattern) =>
      pattern === 'All' ||
      pattern === name ||
      (pattern.endsWith('.*') && name.startsWith(pattern.slice(0, -2))),
  );

function queueAttributes(queues: Queues, name: string): Record<string, string> {
  const queue = queues.get(name);
  const { visible, inFlight, delayed } = queues.counts(name);
  return {
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: String(Math.floor(queue.createdAtMs / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedAtMs / 1000)),
    ...formatSettings(queue.settings),
    SqsManagedSseEnabled: 'false',
  };
}

const KNOWN_ATTRIBUTES = new Set([
  'QueueArn',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
  'VisibilityTimeout',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'DelaySeconds',
  'ReceiveMessageWaitTimeSeconds',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
  'SqsManagedSseEnabled',
  'Policy',
  'KmsMasterKeyId',
  'KmsDataKeyReusePeriodSeconds',
]);

/** The queue as the client reaches it: at the address that it used itself. */
const queueUrl = ({ name }: Queue, { host, accountId }: AwsCall): string =>
  `http://${host}/${accountId}/${name}`;

const named = ({ QueueUrl }: { QueueUrl: string | undefined }): string => queueNameOf(QueueUrl ?? '');

function paged(
  all: readonly Queue[],
  { NextToken, MaxResults }: { NextToken?: string | undefined; MaxResults?: number | undefined },
): { page: readonly Queue[]; next: string | undefined } {
  const rest = NextToken === undefined ? all : all.filter(({ name }) => name > NextToken);
  const limit = inRange('MaxResults', MaxResults ?? 1000, 1, 1000);
  const page = rest.slice(0, limit);
  // Without MaxResults there is no token, as in SQS.
  return { page, next: MaxResults !== undefined && rest.length > limit ? page.at(-1)?.name : undefined };
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidParameter(
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}
