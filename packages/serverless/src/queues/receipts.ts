import { awsError } from '../aws/index.ts';
import { formatSequence } from './fifo.ts';
import { md5, md5OfAttributes, parseMessageAttributes, type ReceivedMessage } from './message.ts';
import type { Queue } from './queue.ts';
import type { MessageRecord } from './records.ts';

/** A message as a receiver gets it, with a receipt for this time that it was received. */
export function toReceived(
  queue: Queue,
  message: MessageRecord,
  nonce: string,
  nowMs: number,
): ReceivedMessage {
  const attributes = parseMessageAttributes(message.attributes);
  return {
    ...message,
    receiptHandle: Buffer.from(`${queue.id}/${message.id}/${nonce}`).toString('base64'),
    md5OfBody: md5(message.body),
    attributes,
    md5OfAttributes: md5OfAttributes(attributes),
    firstReceivedAtMs: message.firstReceivedAtMs ?? nowMs,
    receiveCount: message.receiveCount + 1,
    sequenceNumber: queue.settings.fifo === undefined ? undefined : formatSequence(message.id),
  };
}

/** The message that a receipt is of. @throws InvalidArgument ReceiptHandleIsInvalid */
export function parseReceipt(queue: Queue, handle: string): { readonly id: number; readonly nonce: string } {
  const [, queueId, id, nonce] =
    /^(\d+)\/(\d+)\/([0-9a-f]+)$/.exec(Buffer.from(handle, 'base64').toString()) ?? [];
  if (Number(queueId) !== queue.id || nonce === undefined) {
    throw awsError('InvalidArgument', 'ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
  }
  return { id: Number(id), nonce };
}
