import type {
  FilterLogEventsRequest,
  FilterLogEventsResponse,
  GetLogEventsRequest,
  GetLogEventsResponse,
  PutLogEventsRequest,
  PutLogEventsResponse,
} from '@aws-sdk/client-cloudwatch-logs';
import type { Clock } from '@slipway/base';
import { type AwsOperation, operation } from '../aws/index.ts';
import { eventIdOf, filterGroup } from './filter.ts';
import { startLiveTail } from './live-tail.ts';
import { groupNameOf, invalid } from './names.ts';
import { parsePattern } from './pattern/index.ts';
import { readStream } from './read-stream.ts';
import type { LogService } from './service.ts';

const MAX_EVENTS = 10_000;
const MAX_BATCH_BYTES = 1_048_576;
/** What each line counts for beside its message. */
const EVENT_BYTES = 26;
const DAY_MS = 86_400_000;
const OLDEST_MS = 14 * DAY_MS;
const NEWEST_MS = 2 * 3_600_000;

/** Writing and reading lines. */
export function eventOperations(logs: LogService, clock: Clock): AwsOperation[] {
  return [
    operation<PutLogEventsRequest, PutLogEventsResponse>('PutLogEvents', (request) =>
      putLogEvents(logs, clock.nowMs(), request),
    ),
    operation<GetLogEventsRequest, GetLogEventsResponse>('GetLogEvents', async (request) => {
      const group = logs.group(oneGroup(request));
      const stream = logs.stream(group, request.logStreamName ?? '');
      const page = await readStream(logs, group, stream, {
        fromMs: request.startTime ?? 0,
        toMs: request.endTime ?? Number.MAX_SAFE_INTEGER,
        limit: checkLimit(request.limit),
        startFromHead: request.startFromHead ?? false,
        token: request.nextToken,
      });
      return {
        events: page.events.map(({ timestampMs, message, ingestedAtMs }) => ({
          timestamp: timestampMs,
          message,
          ingestionTime: ingestedAtMs,
        })),
        nextForwardToken: page.forwardToken,
        nextBackwardToken: page.backwardToken,
      };
    }),
    operation<FilterLogEventsRequest, FilterLogEventsResponse>('FilterLogEvents', async (request, call) => {
      const { logStreamNames, logStreamNamePrefix } = request;
      if (logStreamNames !== undefined && logStreamNamePrefix !== undefined) {
        throw invalid("'logStreamNames' and 'logStreamNamePrefix' exclude each other");
      }
      const group = logs.group(oneGroup(request));
      const { events, token } = await filterGroup(
        logs,
        group,
        {
          fromMs: request.startTime ?? 0,
          toMs: request.endTime === undefined ? Number.MAX_SAFE_INTEGER : request.endTime + 1,
          limit: checkLimit(request.limit),
          matches: parsePattern(request.filterPattern ?? ''),
          wantsStream: (name) => logStreamNames?.includes(name) ?? name.startsWith(logStreamNamePrefix ?? ''),
          token: request.nextToken,
        },
        call.signal,
      );
      return {
        events: events.map((event) => ({
          logStreamName: event.streamName,
          timestamp: event.timestampMs,
          message: event.message,
          ingestionTime: event.ingestedAtMs,
          eventId: eventIdOf(event),
        })),
        searchedLogStreams: [],
        ...(token === undefined ? {} : { nextToken: token }),
      };
    }),
    operation('StartLiveTail', (request: Parameters<typeof startLiveTail>[2], call) => ({
      responseStream: startLiveTail(logs, clock, request, call),
    })),
  ];
}

/** @throws InvalidArgument InvalidParameterException, when nothing of the batch was taken */
function putLogEvents(logs: LogService, nowMs: number, request: PutLogEventsRequest): PutLogEventsResponse {
  const events = request.logEvents ?? [];
  const group = logs.group(request.logGroupName ?? '');
  const stream = logs.stream(group, request.logStreamName ?? '');
  if (events.length < 1 || events.length > MAX_EVENTS) {
    throw invalid(`'logEvents' must have 1 to ${MAX_EVENTS} events, not ${events.length}`);
  }
  let bytes = 0;
  for (const [index, { timestamp = 0, message = '' }] of events.entries()) {
    bytes += Buffer.byteLength(message) + EVENT_BYTES;
    if (message === '') throw invalid(`the message of log event ${index} is empty`);
    if (timestamp < (events[index - 1]?.timestamp ?? 0)) {
      throw invalid('Log events in a single PutLogEvents request must be in chronological order.');
    }
  }
  if (bytes > MAX_BATCH_BYTES)
    throw invalid(`Upload too large: ${bytes} bytes exceeds limit of ${MAX_BATCH_BYTES}`);
  const times = events.map(({ timestamp = 0 }) => timestamp);
  const expiredMs = group.retentionDays === undefined ? 0 : nowMs - group.retentionDays * DAY_MS;
  const tooOld = times.filter((time) => time < nowMs - OLDEST_MS).length;
  const expired = times.filter((time) => time < expiredMs).length;
  const taken = events.filter(
    (_event, index) => index >= Math.max(tooOld, expired) && (times[index] as number) <= nowMs + NEWEST_MS,
  );
  const tooNew = times.findIndex((time) => time > nowMs + NEWEST_MS);
  logs.append(
    group.name,
    stream.name,
    taken.map(({ timestamp = 0, message = '' }) => ({ timestampMs: timestamp, message })),
  );
  const rejected = {
    ...(tooOld > 0 ? { tooOldLogEventEndIndex: tooOld } : {}),
    ...(expired > 0 ? { expiredLogEventEndIndex: expired } : {}),
    ...(tooNew >= 0 ? { tooNewLogEventStartIndex: tooNew } : {}),
  };
  return {
    nextSequenceToken: String(nowMs),
    ...(Object.keys(rejected).length > 0 ? { rejectedLogEventsInfo: rejected } : {}),
  };
}

/** @throws InvalidArgument InvalidParameterException */
function oneGroup(request: {
  logGroupName?: string | undefined;
  logGroupIdentifier?: string | undefined;
}): string {
  const { logGroupName, logGroupIdentifier } = request;
  if ((logGroupName === undefined) === (logGroupIdentifier === undefined)) {
    throw invalid("one of 'logGroupName' and 'logGroupIdentifier' must be given");
  }
  return groupNameOf(logGroupName ?? logGroupIdentifier ?? '');
}

function checkLimit(limit = MAX_EVENTS): number {
  if (limit >= 1 && limit <= MAX_EVENTS) return limit;
  throw invalid(`'limit' must be 1 to ${MAX_EVENTS}, not ${limit}`);
}
