import { awsError } from '../aws/index.ts';

/** An event source mapping: which events come to which function, and how. */
export interface Mapping {
  readonly uuid: string;
  /** Of the function, with its qualifier when it was named with one. */
  readonly functionArn: string;
  readonly functionName: string;
  readonly qualifier: string | undefined;
  readonly region: string;
  readonly source: MappedSource;
  readonly isEnabled: boolean;
  readonly batchSize: number;
  readonly windowSeconds: number;
  /** Event patterns, as JSON. */
  readonly filters: readonly string[];
  /** Batches at once. */
  readonly maxConcurrency: number | undefined;
  readonly reportsItemFailures: boolean;
  /** An ARN. */
  readonly onFailure: string | undefined;
  /** -1 is without end. */
  readonly maxRetries: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly modifiedAtMs: number;
}

export type MappedSource =
  | { readonly kind: 'sqs'; readonly arn: string }
  /** A folder whose files are objects of a bucket. */
  | {
      readonly kind: 'directory';
      readonly arn: string;
      readonly bucket: string;
      readonly from: StartingPosition;
    }
  | {
      readonly kind: ServerKind;
      readonly endpoints: readonly string[];
      /** A subject, a stream, a channel. */
      readonly topic: string;
      /** Who shares a topic's events names the same one; each mapping has its own otherwise. */
      readonly consumerGroup: string | undefined;
      readonly from: StartingPosition;
    };

export type StartingPosition = 'TRIM_HORIZON' | 'LATEST';
export type ServerKind = 'nats' | 'redis' | 'postgresql';

/** What sources allow and what they do when nothing is said. */
interface SourceLimits {
  readonly batchSize: number;
  readonly maxBatchSize: number;
  readonly concurrency: number;
  readonly windows: boolean;
  /** Whether the mapping itself retries, so that retries and a destination for what fails mean something. */
  readonly retries: boolean;
  readonly reportsItemFailures: boolean;
}

const SERVER: SourceLimits = {
  batchSize: 100,
  maxBatchSize: 10_000,
  concurrency: 1,
  windows: true,
  retries: true,
  reportsItemFailures: true,
};
/** Their events are given to the durable queue of asynchronous invocations, which retries. */
const ASYNCHRONOUS: SourceLimits = {
  batchSize: 1,
  maxBatchSize: 100,
  concurrency: 1,
  windows: false,
  retries: false,
  reportsItemFailures: false,
};

export const SOURCE_LIMITS: Readonly<Record<MappedSource['kind'], SourceLimits>> = {
  sqs: {
    batchSize: 10,
    maxBatchSize: 10_000,
    concurrency: 50,
    windows: true,
    retries: false,
    reportsItemFailures: true,
  },
  directory: ASYNCHRONOUS,
  nats: SERVER,
  redis: SERVER,
  postgresql: ASYNCHRONOUS,
};

/** Of one invocation, with room for what is around the records. */
export const MAX_BATCH_BYTES = 6 * 1024 * 1024 - 64 * 1024;

/** @throws InvalidArgument InvalidParameterValueException */
export function checkMapping(mapping: Mapping): void {
  const { source, batchSize, windowSeconds, maxConcurrency } = mapping;
  const limits = SOURCE_LIMITS[source.kind];
  const isFifo = source.kind === 'sqs' && source.arn.endsWith('.fifo');
  const maxBatchSize = isFifo ? 10 : limits.maxBatchSize;
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > maxBatchSize) {
    throw invalid(
      `BatchSize ${batchSize} is invalid: it must be from 1 to ${maxBatchSize} for this event source.`,
    );
  }
  if (!Number.isInteger(windowSeconds) || windowSeconds < 0 || windowSeconds > 300) {
    throw invalid(`MaximumBatchingWindowInSeconds ${windowSeconds} is invalid: it must be from 0 to 300.`);
  }
  if (windowSeconds > 0 && (isFifo || !limits.windows)) {
    throw invalid('Batching window is not supported for this event source.');
  }
  if (source.kind === 'sqs' && batchSize > 10 && windowSeconds < 1) {
    throw invalid(
      'Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10.',
    );
  }
  if (
    maxConcurrency !== undefined &&
    (maxConcurrency < 2 || maxConcurrency > 1000 || source.kind !== 'sqs')
  ) {
    throw invalid(
      `MaximumConcurrency ${maxConcurrency} is invalid: queues take 2 to 1000, other sources none.`,
    );
  }
  if (mapping.reportsItemFailures && !limits.reportsItemFailures) {
    throw invalid('ReportBatchItemFailures is not supported for this event source.');
  }
  if (!limits.retries && (mapping.maxRetries !== -1 || mapping.onFailure !== undefined)) {
    throw invalid(
      'MaximumRetryAttempts and DestinationConfig are not supported for this event source: configure the queue, or the function with PutFunctionEventInvokeConfig.',
    );
  }
  if (!Number.isInteger(mapping.maxRetries) || mapping.maxRetries < -1 || mapping.maxRetries > 10_000) {
    throw invalid(`MaximumRetryAttempts ${mapping.maxRetries} is invalid: it must be from -1 to 10000.`);
  }
  if (mapping.filters.length > 5)
    throw invalid(`${mapping.filters.length} filters are too many: 5 are allowed.`);
}

export const invalid = (message: string) =>
  awsError('InvalidArgument', 'InvalidParameterValueException', message);
