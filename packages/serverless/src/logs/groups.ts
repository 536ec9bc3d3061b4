import type {
  CreateLogGroupRequest,
  CreateLogStreamRequest,
  DeleteLogGroupRequest,
  DeleteLogStreamRequest,
  DeleteRetentionPolicyRequest,
  DescribeLogGroupsRequest,
  DescribeLogGroupsResponse,
  DescribeLogStreamsRequest,
  DescribeLogStreamsResponse,
  ListTagsForResourceRequest,
  ListTagsForResourceResponse,
  PutRetentionPolicyRequest,
  TagResourceRequest,
  UntagResourceRequest,
  LogStream as WireStream,
} from '@aws-sdk/client-cloudwatch-logs';
import { type AwsCall, type AwsOperation, operation } from '../aws/index.ts';
import { groupArn, groupNameOf, invalid } from './names.ts';
import type { LogGroup, LogStream } from './records.ts';
import type { LogService } from './service.ts';

/** The days that CloudWatch Logs lets one choose. */
const RETENTION_DAYS: readonly number[] = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const MAX_PAGE = 50;

/** Groups and streams. */
export function groupOperations(logs: LogService): AwsOperation[] {
  return [
    operation<CreateLogGroupRequest, object>('CreateLogGroup', ({ logGroupName = '', tags = {} }) => {
      logs.createGroup(logGroupName, tags);
      return {};
    }),
    operation<DeleteLogGroupRequest, object>('DeleteLogGroup', ({ logGroupName = '' }) => {
      logs.deleteGroup(logGroupName);
      return {};
    }),
    operation<DescribeLogGroupsRequest, DescribeLogGroupsResponse>('DescribeLogGroups', (request, call) =>
      describeGroups(logs, request, call),
    ),
    operation<PutRetentionPolicyRequest, object>('PutRetentionPolicy', (request) => {
      const { logGroupName = '', retentionInDays = 0 } = request;
      if (!RETENTION_DAYS.includes(retentionInDays)) {
        throw invalid(
          `'retentionInDays' must be one of ${RETENTION_DAYS.join(', ')}, not ${retentionInDays}`,
        );
      }
      logs.updateGroup({ ...logs.group(logGroupName), retentionDays: retentionInDays });
      logs.dropExpired();
      return {};
    }),
    operation<DeleteRetentionPolicyRequest, object>('DeleteRetentionPolicy', ({ logGroupName = '' }) => {
      logs.updateGroup({ ...logs.group(logGroupName), retentionDays: undefined });
      return {};
    }),
    operation<CreateLogStreamRequest, object>(
      'CreateLogStream',
      ({ logGroupName = '', logStreamName = '' }) => {
        logs.createStream(logs.group(logGroupName), logStreamName);
        return {};
      },
    ),
    operation<DeleteLogStreamRequest, object>(
      'DeleteLogStream',
      ({ logGroupName = '', logStreamName = '' }) => {
        logs.deleteStream(logs.group(logGroupName), logStreamName);
        return {};
      },
    ),
    operation<DescribeLogStreamsRequest, DescribeLogStreamsResponse>('DescribeLogStreams', (request, call) =>
      describeStreams(logs, request, call),
    ),
    operation<ListTagsForResourceRequest, ListTagsForResourceResponse>(
      'ListTagsForResource',
      ({ resourceArn = '' }) => ({ tags: { ...logs.group(groupNameOf(resourceArn)).tags } }),
    ),
    operation<TagResourceRequest, object>('TagResource', ({ resourceArn = '', tags = {} }) => {
      const group = logs.group(groupNameOf(resourceArn));
      logs.updateGroup({ ...group, tags: { ...group.tags, ...tags } });
      return {};
    }),
    operation<UntagResourceRequest, object>('UntagResource', ({ resourceArn = '', tagKeys = [] }) => {
      const group = logs.group(groupNameOf(resourceArn));
      const tags = Object.entries(group.tags).filter(([key]) => !tagKeys.includes(key));
      logs.updateGroup({ ...group, tags: Object.fromEntries(tags) });
      return {};
    }),
  ];
}

function describeGroups(
  logs: LogService,
  request: DescribeLogGroupsRequest,
  { region, accountId }: AwsCall,
): DescribeLogGroupsResponse {
  const { logGroupNamePrefix, logGroupNamePattern, nextToken = '' } = request;
  if (logGroupNamePrefix !== undefined && logGroupNamePattern !== undefined) {
    throw invalid("'logGroupNamePrefix' and 'logGroupNamePattern' exclude each other");
  }
  const limit = checkPage(request.limit);
  const found = logs.listGroups({
    prefix: logGroupNamePrefix ?? '',
    part: logGroupNamePattern ?? '',
    after: nextToken,
    limit: limit + 1,
  });
  const page = found.slice(0, limit);
  return {
    logGroups: page.map((group) => ({
      logGroupName: group.name,
      creationTime: group.createdAtMs,
      metricFilterCount: 0,
      arn: `${groupArn(region, accountId, group.name)}:*`,
      logGroupArn: groupArn(region, accountId, group.name),
      logGroupClass: 'STANDARD',
      storedBytes: logs.sizeOf(group),
      ...(group.retentionDays === undefined ? {} : { retentionInDays: group.retentionDays }),
    })),
    ...(found.length > limit ? { nextToken: page.at(-1)?.name ?? '' } : {}),
  };
}

function describeStreams(
  logs: LogService,
  request: DescribeLogStreamsRequest,
  call: AwsCall,
): DescribeLogStreamsResponse {
  const { logStreamNamePrefix, orderBy = 'LogStreamName', descending = false, nextToken } = request;
  if (logStreamNamePrefix !== undefined && orderBy === 'LastEventTime') {
    throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
  }
  const group = logs.group(groupNameOf(request.logGroupName ?? request.logGroupIdentifier ?? ''));
  const limit = checkPage(request.limit);
  const key = (stream: LogStream): string =>
    orderBy === 'LastEventTime'
      ? `${String(stream.lastEventMs ?? 0).padStart(15, '0')}/${stream.name}`
      : stream.name;
  const direction = descending ? -1 : 1;
  const byKey = (a: string, b: string) => (a < b ? -direction : a > b ? direction : 0);
  const found = logs
    .streams(group)
    .filter(({ name }) => name.startsWith(logStreamNamePrefix ?? ''))
    .filter((stream) => nextToken === undefined || byKey(key(stream), nextToken) > 0)
    .sort((a, b) => byKey(key(a), key(b)));
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    logStreams: page.map((stream) => toWireStream(group, stream, call)),
    ...(found.length > limit && last !== undefined ? { nextToken: key(last) } : {}),
  };
}

const toWireStream = (group: LogGroup, stream: LogStream, { region, accountId }: AwsCall): WireStream => ({
  logStreamName: stream.name,
  creationTime: stream.createdAtMs,
  arn: `${groupArn(region, accountId, group.name)}:log-stream:${stream.name}`,
  uploadSequenceToken: String(stream.lastIngestionMs ?? stream.createdAtMs),
  storedBytes: 0,
  ...(stream.firstEventMs === undefined ? {} : { firstEventTimestamp: stream.firstEventMs }),
  ...(stream.lastEventMs === undefined ? {} : { lastEventTimestamp: stream.lastEventMs }),
  ...(stream.lastIngestionMs === undefined ? {} : { lastIngestionTime: stream.lastIngestionMs }),
});

function checkPage(limit = MAX_PAGE): number {
  if (limit >= 1 && limit <= MAX_PAGE) return limit;
  throw invalid(`'limit' must be 1 to ${MAX_PAGE}, not ${limit}`);
}
