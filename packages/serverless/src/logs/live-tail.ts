import type {
  LiveTailSessionLogEvent,
  StartLiveTailRequest,
  StartLiveTailResponseStream,
} from '@aws-sdk/client-cloudwatch-logs';
import type { Clock } from '@slipway/base';
import { type AwsCall, awsError } from '../aws/index.ts';
import { groupArn, groupNameOf, invalid } from './names.ts';
import { parsePattern } from './pattern/index.ts';
import type { LogService } from './service.ts';
import type { TailedEvent } from './tails.ts';

const UPDATE_MS = 250;
const MAX_EVENTS = 500;
const SESSION_MS = 3 * 3_600_000;
const MAX_GROUPS = 10;

/**
 * New lines of groups as they are written, in updates four times a second (also empty ones, so that a client knows that the
 * session lives), for three hours.
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html
 */
export function startLiveTail(
  logs: LogService,
  clock: Clock,
  request: StartLiveTailRequest,
  { region, accountId, requestId, signal }: AwsCall,
): AsyncIterable<StartLiveTailResponseStream> {
  const { logStreamNames = [], logStreamNamePrefixes = [] } = request;
  const identifiers = request.logGroupIdentifiers ?? [];
  if (identifiers.length < 1 || identifiers.length > MAX_GROUPS) {
    throw invalid(`'logGroupIdentifiers' must have 1 to ${MAX_GROUPS} groups`);
  }
  const groups = new Set(identifiers.map((identifier) => logs.group(groupNameOf(identifier)).name));
  const matchesPattern = parsePattern(request.logEventFilterPattern ?? '');
  const wantsStream = (name: string): boolean =>
    (logStreamNames.length === 0 && logStreamNamePrefixes.length === 0) ||
    logStreamNames.includes(name) ||
    logStreamNamePrefixes.some((prefix) => name.startsWith(prefix));
  // Lines of the time between this answer and the first update belong to the session.
  const tail = logs.tail({
    groups,
    matches: ({ stream, message }) => wantsStream(stream) && matchesPattern(message),
  });
  const toWire = ({ group, stream, message, timestampMs, ingestedAtMs }: TailedEvent) => ({
    logGroupIdentifier: groupArn(region, accountId, group),
    logStreamName: stream,
    message,
    timestamp: timestampMs,
    ingestionTime: ingestedAtMs,
  });
  return (async function* () {
    const endsAtMs = clock.monotonicMs() + SESSION_MS;
    const collecting = collect(tail, toWire);
    try {
      yield { sessionStart: { ...request, requestId, sessionId: requestId } };
      while (!signal.aborted && !tail.ended) {
        const { results, sampled } = collecting.take();
        yield { sessionUpdate: { sessionMetadata: { sampled }, sessionResults: results } };
        if (clock.monotonicMs() > endsAtMs) throw sessionTimedOut();
        await clock.sleep(UPDATE_MS, { signal }).catch(() => {});
      }
    } finally {
      await tail.return();
    }
  })();
}

/** Gathers lines between two updates; of more than an update holds, the newest. */
function collect(
  tail: AsyncIterable<TailedEvent>,
  toWire: (event: TailedEvent) => LiveTailSessionLogEvent,
): { take(): { results: LiveTailSessionLogEvent[]; sampled: boolean } } {
  let gathered: TailedEvent[] = [];
  let sampled = false;
  void (async () => {
    for await (const event of tail) {
      gathered.push(event);
      if (gathered.length <= 2 * MAX_EVENTS) continue;
      gathered = gathered.slice(-MAX_EVENTS);
      sampled = true;
    }
  })();
  return {
    take() {
      const taken = {
        results: gathered.slice(-MAX_EVENTS).map(toWire),
        sampled: sampled || gathered.length > MAX_EVENTS,
      };
      gathered = [];
      sampled = false;
      return taken;
    },
  };
}

const sessionTimedOut = () =>
  awsError(
    'DeadlineExceeded',
    'SessionTimeoutException',
    'the session has ended after three hours; start another one',
  );
