import type {
  CreateEventSourceMappingRequest,
  DeleteEventSourceMappingRequest,
  EventSourceMappingConfiguration,
  GetEventSourceMappingRequest,
  ListEventSourceMappingsRequest,
  ListEventSourceMappingsResponse,
  UpdateEventSourceMappingRequest,
} from '@aws-sdk/client-lambda';
import { type AwsOperation, operation } from '../aws/index.ts';
import {
  invalid,
  type MappedSource,
  type ServerKind,
  SOURCE_LIMITS,
  type StartingPosition,
} from './mapping.ts';
import type { EventSourceMappings, MappingSettings, MappingView } from './service.ts';
import { withoutPassword } from './sources/server.ts';

/** The operations of Lambda's API on event source mappings. */
export const eventSourceOperations = (mappings: EventSourceMappings): AwsOperation[] => [
  operation<CreateEventSourceMappingRequest, EventSourceMappingConfiguration>(
    'CreateEventSourceMapping',
    (input, { region, accountId }) => {
      refuseOthers(input);
      const source = parseSource(input);
      const view = mappings.create({
        functionReference: input.FunctionName ?? '',
        source,
        region,
        tags: input.Tags ?? {},
        isEnabled: true,
        batchSize: SOURCE_LIMITS[source.kind].batchSize,
        windowSeconds: 0,
        filters: [],
        maxConcurrency: undefined,
        reportsItemFailures: false,
        onFailure: undefined,
        maxRetries: -1,
        ...parseSettings(input),
      });
      return toWire(view, accountId);
    },
  ),
  operation<GetEventSourceMappingRequest, EventSourceMappingConfiguration>(
    'GetEventSourceMapping',
    ({ UUID = '' }, { accountId }) => toWire(mappings.get(UUID), accountId),
  ),
  operation<ListEventSourceMappingsRequest, ListEventSourceMappingsResponse>(
    'ListEventSourceMappings',
    (input, { accountId, region }) => {
      const { FunctionName: functionReference, EventSourceArn: sourceArn } = input;
      const all = mappings.list({ functionReference, sourceArn, region });
      const rest = all.filter(({ mapping }) => mapping.uuid > (input.Marker ?? ''));
      const page = rest.slice(0, Math.min(input.MaxItems ?? 100, 100));
      return {
        EventSourceMappings: page.map((view) => toWire(view, accountId)),
        ...(page.length < rest.length && { NextMarker: page.at(-1)?.mapping.uuid }),
      };
    },
  ),
  operation<UpdateEventSourceMappingRequest, EventSourceMappingConfiguration>(
    'UpdateEventSourceMapping',
    (input, { accountId }) => {
      refuseOthers(input);
      const view = mappings.update(input.UUID ?? '', {
        ...parseSettings(input),
        ...(input.FunctionName !== undefined && { functionReference: input.FunctionName }),
      });
      return toWire(view, accountId);
    },
  ),
  operation<DeleteEventSourceMappingRequest, EventSourceMappingConfiguration>(
    'DeleteEventSourceMapping',
    ({ UUID = '' }, { accountId }) => toWire(mappings.delete(UUID), accountId),
  ),
];

/** How the endpoints of self-managed sources are named, as `KAFKA_BOOTSTRAP_SERVERS` is in AWS. */
const ENDPOINT_KINDS: Readonly<Record<string, ServerKind>> = {
  NATS_SERVERS: 'nats',
  REDIS_SERVERS: 'redis',
  POSTGRESQL_SERVERS: 'postgresql',
};
const PROTOCOLS: Readonly<Record<ServerKind, readonly string[]>> = {
  nats: ['nats:', 'tls:'],
  redis: ['redis:', 'rediss:'],
  postgresql: ['postgres:', 'postgresql:'],
};

function parseSource(input: CreateEventSourceMappingRequest): MappedSource {
  const from = parsePosition(input.StartingPosition);
  const { EventSourceArn: arn } = input;
  if (arn !== undefined) {
    if (/^arn:[\w-]+:sqs:[\w-]*:\d{12}:[\w.-]+$/.test(arn)) return { kind: 'sqs', arn };
    const [, bucket] = /^arn:[\w-]+:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$/.exec(arn) ?? [];
    if (bucket !== undefined && !bucket.includes('..')) return { kind: 'directory', arn, bucket, from };
    throw invalid(`Unrecognized event source, must be sqs or s3. Unsupported source arn ${arn}`);
  }
  const [[name, endpoints] = ['', undefined], ...others] = Object.entries(
    (input.SelfManagedEventSource?.Endpoints ?? {}) as Readonly<Record<string, readonly string[]>>,
  );
  const kind = ENDPOINT_KINDS[name];
  const [topic, ...moreTopics] = input.Topics ?? [];
  if (kind === undefined || others.length > 0 || endpoints === undefined || endpoints.length === 0) {
    throw invalid(
      `Unrecognized event source: give EventSourceArn, or SelfManagedEventSource with one of the endpoints ${Object.keys(ENDPOINT_KINDS).join(', ')}.`,
    );
  }
  if (endpoints.length > 1 && kind !== 'nats') throw invalid(`${name} must have one endpoint.`);
  for (const endpoint of endpoints) {
    if (PROTOCOLS[kind].includes(URL.parse(endpoint)?.protocol ?? '')) continue;
    throw invalid(
      `${withoutPassword(endpoint)} of ${name} must be a URL with ${PROTOCOLS[kind].join(' or ')}//`,
    );
  }
  if (topic === undefined || topic === '' || moreTopics.length > 0) {
    throw invalid('A self-managed event source needs one topic: a subject, a stream or a channel.');
  }
  const consumerGroup = input.SelfManagedKafkaEventSourceConfig?.ConsumerGroupId;
  return { kind, endpoints, topic, consumerGroup, from };
}

function parsePosition(position: string | undefined): StartingPosition {
  if (position === undefined || position === 'LATEST') return 'LATEST';
  if (position === 'TRIM_HORIZON') return position;
  throw invalid(`StartingPosition ${position} is not supported here: give LATEST or TRIM_HORIZON.`);
}

/** What is said, and nothing for what is not. */
function parseSettings(
  input: CreateEventSourceMappingRequest | UpdateEventSourceMappingRequest,
): Partial<MappingSettings> {
  const said = <T>(value: T | undefined, settings: (value: T) => Partial<MappingSettings>) =>
    value === undefined ? {} : settings(value);
  return {
    ...said(input.Enabled, (isEnabled) => ({ isEnabled })),
    ...said(input.BatchSize, (batchSize) => ({ batchSize })),
    ...said(input.MaximumBatchingWindowInSeconds, (windowSeconds) => ({ windowSeconds })),
    ...said(input.FilterCriteria, ({ Filters }) => ({
      filters: (Filters ?? []).map(({ Pattern }) => Pattern ?? ''),
    })),
    ...said(input.ScalingConfig, ({ MaximumConcurrency }) => ({ maxConcurrency: MaximumConcurrency })),
    ...said(input.FunctionResponseTypes, (types) => ({
      reportsItemFailures: types.includes('ReportBatchItemFailures'),
    })),
    ...said(input.DestinationConfig, ({ OnFailure }) => ({ onFailure: OnFailure?.Destination || undefined })),
    ...said(input.MaximumRetryAttempts, (maxRetries) => ({ maxRetries })),
  };
}

/** What is told otherwise must not be passed over. */
function refuseOthers(input: Partial<CreateEventSourceMappingRequest>): void {
  const refused = Object.entries({
    KMSKeyArn: input.KMSKeyArn,
    ParallelizationFactor: input.ParallelizationFactor === 1 ? undefined : input.ParallelizationFactor,
    StartingPositionTimestamp: input.StartingPositionTimestamp,
    MaximumRecordAgeInSeconds:
      input.MaximumRecordAgeInSeconds === -1 ? undefined : input.MaximumRecordAgeInSeconds,
    BisectBatchOnFunctionError: input.BisectBatchOnFunctionError || undefined,
    TumblingWindowInSeconds: input.TumblingWindowInSeconds || undefined,
    Queues: input.Queues,
    SourceAccessConfigurations: input.SourceAccessConfigurations?.length
      ? input.SourceAccessConfigurations
      : undefined,
    AmazonManagedKafkaEventSourceConfig: input.AmazonManagedKafkaEventSourceConfig,
    DocumentDBEventSourceConfig: input.DocumentDBEventSourceConfig,
    ProvisionedPollerConfig: input.ProvisionedPollerConfig,
  }).find(([, value]) => value !== undefined);
  if (refused !== undefined) throw invalid(`${refused[0]} is not supported here: leave it out.`);
}

function toWire(
  { mapping, state, lastResult }: MappingView,
  accountId: string,
): EventSourceMappingConfiguration {
  const { source } = mapping;
  return {
    UUID: mapping.uuid,
    EventSourceMappingArn: `arn:aws:lambda:${mapping.region}:${accountId}:event-source-mapping:${mapping.uuid}`,
    FunctionArn: mapping.functionArn,
    State: state,
    StateTransitionReason: 'USER_INITIATED',
    LastModified: new Date(mapping.modifiedAtMs),
    LastProcessingResult: lastResult,
    BatchSize: mapping.batchSize,
    MaximumBatchingWindowInSeconds: mapping.windowSeconds,
    FunctionResponseTypes: mapping.reportsItemFailures ? ['ReportBatchItemFailures'] : [],
    ...(mapping.filters.length > 0 && {
      FilterCriteria: { Filters: mapping.filters.map((Pattern) => ({ Pattern })) },
    }),
    ...(mapping.maxConcurrency !== undefined && {
      ScalingConfig: { MaximumConcurrency: mapping.maxConcurrency },
    }),
    ...('arn' in source && { EventSourceArn: source.arn }),
    ...(source.kind !== 'sqs' && { StartingPosition: source.from }),
    ...('endpoints' in source && {
      SelfManagedEventSource: { Endpoints: endpointsToWire(source.kind, source.endpoints) },
      Topics: [source.topic],
      SelfManagedKafkaEventSourceConfig: { ConsumerGroupId: source.consumerGroup ?? mapping.uuid },
    }),
    ...(SOURCE_LIMITS[source.kind].retries && {
      MaximumRetryAttempts: mapping.maxRetries,
      DestinationConfig: {
        OnFailure: mapping.onFailure === undefined ? {} : { Destination: mapping.onFailure },
      },
    }),
  };
}

/** Without the passwords in them. */
const endpointsToWire = (kind: ServerKind, endpoints: readonly string[]): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(ENDPOINT_KINDS)
      .filter(([, other]) => other === kind)
      .map(([name]) => [name, endpoints.map(withoutPassword)]),
  );
