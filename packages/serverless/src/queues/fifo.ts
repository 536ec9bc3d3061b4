import { createHash } from 'node:crypto';
import { awsError } from '../aws/index.ts';
import { invalidParameter, type NewMessage } from './message.ts';
import type { Queue } from './queue.ts';

/**
 * Under what a message is taken once; undefined in a queue that is not FIFO.
 * @throws InvalidArgument MissingParameter, InvalidParameterValue
 */
export function deduplicationKey({ settings: { fifo } }: Queue, message: NewMessage): string | undefined {
  if (fifo === undefined) {
    if (message.deduplicationId === undefined) return undefined;
    throw invalidParameter(
      `Value ${message.deduplicationId} for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.`,
    );
  }
  if (message.groupId === undefined) {
    throw awsError(
      'InvalidArgument',
      'MissingParameter',
      'The request must contain the parameter MessageGroupId.',
    );
  }
  if (message.delaySeconds !== undefined && message.delaySeconds > 0) {
    throw invalidParameter(
      `Value ${message.delaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
    );
  }
  const id =
    message.deduplicationId ?? (fifo.contentBasedDeduplication ? contentDigest(message.body) : undefined);
  if (id === undefined) {
    throw invalidParameter(
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  return fifo.deduplicationScope === 'queue' ? id : JSON.stringify([message.groupId, id]);
}

export const contentDigest = (body: string): string => createHash('sha256').update(body).digest('hex');

/** The place of a message in its queue, as 20 digits. */
export const formatSequence = (id: number): string => String(id).padStart(20, '0');
