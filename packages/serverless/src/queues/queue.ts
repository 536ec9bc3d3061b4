import { awsError } from '../aws/index.ts';

/** A queue as it was configured. Times as SQS has them: whole seconds. */
export interface Queue {
  readonly id: number;
  readonly name: string;
  readonly arn: string;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly settings: QueueSettings;
}

export interface QueueSettings {
  readonly visibilityTimeoutSeconds: number;
  readonly maxMessageBytes: number;
  readonly retentionSeconds: number;
  readonly delaySeconds: number;
  readonly receiveWaitSeconds: number;
  readonly redrive: RedrivePolicy | undefined;
  readonly redriveAllow: RedriveAllowPolicy | undefined;
  readonly fifo: FifoSettings | undefined;
}

/** Where a message goes that was received so often without being deleted. */
export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** Which queues may have this one for their dead letters. */
export interface RedriveAllowPolicy {
  readonly permission: 'allowAll' | 'denyAll' | 'byQueue';
  readonly sourceArns: readonly string[];
}

export interface FifoSettings {
  readonly contentBasedDeduplication: boolean;
  readonly deduplicationScope: 'queue' | 'messageGroup';
  readonly throughputLimit: 'perQueue' | 'perMessageGroupId';
}

/** Attributes by the names of the API, all strings. */
export type Attributes = Readonly<Partial<Record<string, string>>>;

interface Range {
  readonly min: number;
  readonly max: number;
  readonly initial: number;
}

/** @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const RANGES = {
  VisibilityTimeout: { min: 0, max: 43_200, initial: 30 },
  MaximumMessageSize: { min: 1_024, max: 1_048_576, initial: 1_048_576 },
  MessageRetentionPeriod: { min: 60, max: 1_209_600, initial: 345_600 },
  DelaySeconds: { min: 0, max: 900, initial: 0 },
  ReceiveMessageWaitTimeSeconds: { min: 0, max: 20, initial: 0 },
} as const satisfies Record<string, Range>;

const FIFO_ATTRIBUTES = ['ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'];
const SETTABLE = new Set([...Object.keys(RANGES), ...FIFO_ATTRIBUTES, 'RedrivePolicy', 'RedriveAllowPolicy']);

/**
 * What attributes say, over `before` where they say nothing.
 * @throws InvalidArgument InvalidAttributeName, InvalidAttributeValue; NotImplemented UnsupportedOperation for encryption and
 * access policies
 */
export function parseAttributes(name: string, attributes: Attributes, before?: QueueSettings): QueueSettings {
  const isFifo = name.endsWith('.fifo');
  for (const [key, value] of Object.entries(attributes)) checkAttribute(key, value ?? '', isFifo, before);
  const current = before === undefined ? {} : formatSettings(before);
  const values: Attributes = { ...current, ...attributes };
  const number = (key: keyof typeof RANGES): number => {
    const { min, max, initial } = RANGES[key];
    const text = values[key];
    if (text === undefined || text === '') return initial;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) throw invalidValue(key);
    return value;
  };
  return {
    visibilityTimeoutSeconds: number('VisibilityTimeout'),
    maxMessageBytes: number('MaximumMessageSize'),
    retentionSeconds: number('MessageRetentionPeriod'),
    delaySeconds: number('DelaySeconds'),
    receiveWaitSeconds: number('ReceiveMessageWaitTimeSeconds'),
    redrive: parseRedrive(values.RedrivePolicy),
    redriveAllow: parseRedriveAllow(values.RedriveAllowPolicy),
    fifo: isFifo ? parseFifo(values) : undefined,
  };
}

function checkAttribute(
  key: string,
  value: string,
  isFifo: boolean,
  before: QueueSettings | undefined,
): void {
  if (key === 'FifoQueue') {
    if (value === 'true' && isFifo) return;
    // AWS knows no `false` either: what is not FIFO leaves it out.
    if (before === undefined || value !== String(isFifo)) throw invalidValue(key);
    return;
  }
  if (['Policy', 'KmsMasterKeyId'].includes(key) && value === '') return;
  if (key === 'SqsManagedSseEnabled' && value === 'false') return;
  if (['Policy', 'KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds', 'SqsManagedSseEnabled'].includes(key)) {
    throw awsError(
      'NotImplemented',
      'UnsupportedOperation',
      `The attribute ${key} is not supported here: queues have no policy and no encryption of their own; leave it out.`,
    );
  }
  if (!SETTABLE.has(key) || (!isFifo && FIFO_ATTRIBUTES.includes(key))) {
    throw awsError('InvalidArgument', 'InvalidAttributeName', `Unknown Attribute ${key}.`);
  }
}

function parseRedrive(text: string | undefined): RedrivePolicy | undefined {
  if (text === undefined || text === '') return undefined;
  const policy = parseJson(text);
  const maxReceiveCount = Number(policy?.maxReceiveCount);
  const deadLetterTargetArn = policy?.deadLetterTargetArn;
  if (
    typeof deadLetterTargetArn !== 'string' ||
    !Number.isInteger(maxReceiveCount) ||
    maxReceiveCount < 1 ||
    maxReceiveCount > 1000
  ) {
    throw awsError(
      'InvalidArgument',
      'InvalidAttributeValue',
      `Value ${text} for parameter RedrivePolicy is invalid. Reason: it needs deadLetterTargetArn and a maxReceiveCount from 1 to 1000.`,
    );
  }
  return { deadLetterTargetArn, maxReceiveCount };
}

const PERMISSIONS = ['allowAll', 'denyAll', 'byQueue'] as const;

function parseRedriveAllow(text: string | undefined): RedriveAllowPolicy | undefined {
  if (text === undefined || text === '') return undefined;
  const policy = parseJson(text);
  const permission = PERMISSIONS.find((word) => word === policy?.redrivePermission);
  const arns = policy?.sourceQueueArns ?? [];
  if (permission === undefined || !Array.isArray(arns) || (permission === 'byQueue') !== arns.length > 0) {
    throw invalidValue('RedriveAllowPolicy');
  }
  return { permission, sourceArns: arns.map(String) };
}

function parseFifo(values: Attributes): FifoSettings {
  const choice = <T extends string>(key: string, allowed: readonly T[], initial: T): T => {
    const value = values[key];
    if (value === undefined || value === '') return initial;
    const found = allowed.find((word) => word === value);
    if (found === undefined) throw invalidValue(key);
    return found;
  };
  return {
    contentBasedDeduplication: choice('ContentBasedDeduplication', ['true', 'false'], 'false') === 'true',
    deduplicationScope: choice('DeduplicationScope', ['queue', 'messageGroup'], 'queue'),
    throughputLimit: choice('FifoThroughputLimit', ['perQueue', 'perMessageGroupId'], 'perQueue'),
  };
}

/** The settings as attributes. */
export function formatSettings(settings: QueueSettings): Record<string, string> {
  const { redrive, redriveAllow, fifo } = settings;
  return {
    VisibilityTimeout: String(settings.visibilityTimeoutSeconds),
    MaximumMessageSize: String(settings.maxMessageBytes),
    MessageRetentionPeriod: String(settings.retentionSeconds),
    DelaySeconds: String(settings.delaySeconds),
    ReceiveMessageWaitTimeSeconds: String(settings.receiveWaitSeconds),
    ...(redrive !== undefined && { RedrivePolicy: JSON.stringify(redrive) }),
    ...(redriveAllow !== undefined && {
      RedriveAllowPolicy: JSON.stringify({
        redrivePermission: redriveAllow.permission,
        ...(redriveAllow.permission === 'byQueue' && { sourceQueueArns: redriveAllow.sourceArns }),
      }),
    }),
    ...(fifo !== undefined && {
      FifoQueue: 'true',
      ContentBasedDeduplication: String(fifo.contentBasedDeduplication),
      DeduplicationScope: fifo.deduplicationScope,
      FifoThroughputLimit: fifo.throughputLimit,
    }),
  };
}

/** @throws InvalidArgument InvalidParameterValue */
export function checkQueueName(name: string): void {
  if (/^[\w-]{1,80}$/.test(name) || (name.length <= 80 && /^[\w-]+\.fifo$/.test(name))) return;
  throw awsError(
    'InvalidArgument',
    'InvalidParameterValue',
    `Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length, not ${JSON.stringify(name)}.`,
  );
}

/** The queue's name in its URL; a plain name is taken as one, too. */
export const queueNameOf = (url: string): string => url.replace(/\/+$/, '').split('/').at(-1) ?? '';

/** The queue's name in its ARN, wherever that says that it is. */
export const queueNameOfArn = (arn: string): string => arn.split(':').at(-1) ?? '';

const invalidValue = (key: string) =>
  awsError('InvalidArgument', 'InvalidAttributeValue', `Invalid value for the parameter ${key}.`);

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
