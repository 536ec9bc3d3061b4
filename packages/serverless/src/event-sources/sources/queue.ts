import { isSlipwayError } from '@slipway/base';
import { type Queues, queueNameOfArn, type ReceivedMessage, systemAttributes } from '../../queues/index.ts';
import type { EventSource, SourceItem } from '../source.ts';

/** SQS gives at most so many at once. */
const MAX_MESSAGES = 10;

/**
 * The messages of a queue, with the events that Lambda makes of them.
 * @param extraSeconds How long messages may wait for their batch, on top of the queue's visibility time-out.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
 */
export function queueSource(queues: Queues, arn: string, region: string, extraSeconds: number): EventSource {
  const name = queueNameOfArn(arn);
  const receipts = new WeakMap<SourceItem, string>();
  const timeoutSeconds = () =>
    Math.min(43_200, queues.get(name).settings.visibilityTimeoutSeconds + extraSeconds);
  const each = async (items: readonly SourceItem[], work: (receipt: string) => Promise<void>) => {
    const results = await Promise.allSettled(items.map((item) => work(receipts.get(item) ?? '')));
    for (const result of results) {
      // Its time ran out and it is another's, or the queue is gone: that message comes again or never.
      if (result.status === 'rejected' && !isSlipwayError(result.reason, 'InvalidArgument', 'NotFound')) {
        throw result.reason;
      }
    }
  };
  return {
    redelivers: true,
    receive: async ({ max, waitMs, signal }) => {
      const messages = await queues.receive(name, {
        maxMessages: Math.min(max, MAX_MESSAGES),
        visibilityTimeoutSeconds: timeoutSeconds(),
        waitSeconds: waitMs / 1000,
        signal,
      });
      return messages.map((message) => {
        const item: SourceItem = {
          id: message.messageId,
          record: toRecord(message, arn, region),
          sizeBytes: Buffer.byteLength(message.body) + 1024,
        };
        receipts.set(item, message.receiptHandle);
        return item;
      });
    },
    acknowledge: (items) => each(items, (receipt) => queues.deleteMessage(name, receipt)),
    keep: (items) => each(items, (receipt) => queues.changeVisibility(name, receipt, timeoutSeconds())),
    release: (items) => each(items, (receipt) => queues.changeVisibility(name, receipt, 0)),
    [Symbol.asyncDispose]: async () => {},
  };
}

const toRecord = (message: ReceivedMessage, arn: string, region: string): Record<string, unknown> => ({
  messageId: message.messageId,
  receiptHandle: message.receiptHandle,
  body: message.body,
  attributes: systemAttributes(message),
  messageAttributes: Object.fromEntries(
    Object.entries(message.attributes).map(([name, value]) => [
      name,
      {
        ...(value.StringValue !== undefined && { stringValue: value.StringValue }),
        ...(value.BinaryValue !== undefined && {
          binaryValue: Buffer.from(value.BinaryValue).toString('base64'),
        }),
        stringListValues: [],
        binaryListValues: [],
        dataType: value.DataType,
      },
    ]),
  ),
  md5OfBody: message.md5OfBody,
  ...(message.md5OfAttributes !== undefined && { md5OfMessageAttributes: message.md5OfAttributes }),
  eventSource: 'aws:sqs',
  eventSourceARN: arn,
  awsRegion: region,
});
