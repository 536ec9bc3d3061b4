import { createHash } from 'node:crypto';
import { awsError } from '../aws/index.ts';

/** The value of a message's attribute; `dataType` begins with String, Number or Binary. */
export interface AttributeValue {
  readonly DataType: string | undefined;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: Uint8Array | undefined;
}

export type MessageAttributes = Readonly<Record<string, AttributeValue>>;

/** A message that somebody sends. */
export interface NewMessage {
  readonly body: string;
  readonly attributes?: MessageAttributes | undefined;
  /** The trace that it belongs to. */
  readonly traceHeader?: string | undefined;
  readonly delaySeconds?: number | undefined;
  /** Of FIFO queues; in others it is kept and means nothing. */
  readonly groupId?: string | undefined;
  readonly deduplicationId?: string | undefined;
  /** Who sends it, as receivers are told. */
  readonly senderId?: string | undefined;
}

/** What a sender is told. */
export interface SentMessage {
  readonly messageId: string;
  readonly sequenceNumber: string | undefined;
}

/** A message in a receiver's hands. */
export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  readonly attributes: MessageAttributes;
  /** Of all of them; undefined when there are none. */
  readonly md5OfAttributes: string | undefined;
  readonly traceHeader: string | undefined;
  readonly senderId: string;
  readonly sentAtMs: number;
  readonly firstReceivedAtMs: number;
  readonly receiveCount: number;
  readonly groupId: string | undefined;
  readonly deduplicationId: string | undefined;
  readonly sequenceNumber: string | undefined;
  /** The queue whose dead letter it is. */
  readonly deadLetterSourceArn: string | undefined;
}

export const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/**
 * The digest of message attributes that clients verify; undefined when there are none.
 * @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
 */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const hash = createHash('md5');
  const add = (bytes: Uint8Array) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const value = attributes[name];
    add(Buffer.from(name));
    add(Buffer.from(value?.DataType ?? ''));
    const isBinary = value?.BinaryValue !== undefined;
    hash.update(Buffer.of(isBinary ? 2 : 1));
    add(isBinary ? (value.BinaryValue ?? Buffer.alloc(0)) : Buffer.from(value?.StringValue ?? ''));
  }
  return hash.digest('hex');
}

/** What counts for the limits of a message: its body and its attributes' names, types and values. */
export function messageBytes({ body, attributes = {} }: NewMessage): number {
  let sizeBytes = Buffer.byteLength(body);
  for (const [name, value] of Object.entries(attributes)) {
    sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(value.DataType ?? '');
    sizeBytes += value.BinaryValue?.byteLength ?? Buffer.byteLength(value.StringValue ?? '');
  }
  return sizeBytes;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const REFUSED_CHARACTERS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.)(?!\.)(?!.*\.\.)[\w.-]{1,256}(?<!\.)$/i;
const DATA_TYPE = /^(String|Number|Binary)(\.[^\n]{1,249})?$/;

/** @throws InvalidArgument InvalidMessageContents, InvalidParameterValue */
export function checkMessage(message: NewMessage, limits: { readonly maxBytes: number }): void {
  if (message.body === '') {
    throw awsError(
      'InvalidArgument',
      'MissingParameter',
      'The request must contain the parameter MessageBody.',
    );
  }
  if (messageBytes(message) > limits.maxBytes) {
    throw invalidParameter(
      `One or more parameters are invalid. Reason: Message must be shorter than ${limits.maxBytes} bytes.`,
    );
  }
  if (REFUSED_CHARACTERS.test(message.body)) {
    throw awsError(
      'InvalidArgument',
      'InvalidMessageContents',
      'Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
    );
  }
  const attributes = Object.entries(message.attributes ?? {});
  if (attributes.length > 10) {
    throw invalidParameter(
      `Number of message attributes [${attributes.length}] exceeds the allowed maximum [10].`,
    );
  }
  for (const [name, value] of attributes) checkAttribute(name, value);
}

function checkAttribute(name: string, value: AttributeValue): void {
  if (!ATTRIBUTE_NAME.test(name)) {
    throw invalidParameter(`The message attribute name '${name}' is invalid.`);
  }
  const [, type] = DATA_TYPE.exec(value.DataType ?? '') ?? [];
  if (type === undefined) {
    throw invalidParameter(
      `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`,
    );
  }
  const isEmpty = type === 'Binary' ? !value.BinaryValue?.byteLength : !value.StringValue;
  if (isEmpty) {
    throw invalidParameter(
      `The message attribute '${name}' must contain non-empty message attribute value for message attribute type '${type}'.`,
    );
  }
  if (type === 'Number' && !Number.isFinite(Number(value.StringValue))) {
    throw invalidParameter(`Can't cast the value of message (user) attribute '${name}' to a number.`);
  }
}

export const invalidParameter = (message: string) =>
  awsError('InvalidArgument', 'InvalidParameterValue', message);

/** Message attributes as they are kept: JSON, binary values as base64. */
export const formatAttributes = (attributes: MessageAttributes = {}): string =>
  JSON.stringify(
    Object.entries(attributes).map(([name, { DataType, StringValue, BinaryValue }]) => ({
      name,
      DataType,
      StringValue,
      base64: BinaryValue && Buffer.from(BinaryValue).toString('base64'),
    })),
  );

export function parseMessageAttributes(json: string): MessageAttributes {
  const kept = JSON.parse(json) as Array<
    AttributeValue & { readonly name: string; readonly base64?: string }
  >;
  return Object.fromEntries(
    kept.map(({ name, base64, ...value }) => [
      name,
      base64 === undefined ? value : { ...value, BinaryValue: new Uint8Array(Buffer.from(base64, 'base64')) },
    ]),
  );
}
