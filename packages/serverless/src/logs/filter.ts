import { invalid } from './names.ts';
import type { Matcher } from './pattern/index.ts';
import { PAGE_BYTES } from './read-stream.ts';
import type { LogGroup, StreamSegment } from './records.ts';
import type { StoredEvent } from './segment-files.ts';
import type { LogService } from './service.ts';

export interface FilterRequest {
  readonly fromMs: number;
  /** Excluded. */
  readonly toMs: number;
  readonly limit: number;
  readonly matches: Matcher;
  readonly wantsStream: (name: string) => boolean;
  readonly token: string | undefined;
}

export interface FilteredEvent extends StoredEvent {
  readonly streamName: string;
  readonly streamId: number;
}

/** A place in the order of a group's lines: by time, then by stream, then by place in the stream. */
type Place = readonly [timestampMs: number, streamId: number, offset: number];

/**
 * Lines of a group's streams in the order of their times. Of each stream one segment is in memory at a time, and only while
 * its time has come.
 * @throws InvalidArgument InvalidParameterException for a token that is none
 */
export async function filterGroup(
  logs: LogService,
  group: LogGroup,
  request: FilterRequest,
  signal: AbortSignal,
): Promise<{ readonly events: FilteredEvent[]; readonly token: string | undefined }> {
  const after = request.token === undefined ? undefined : parseToken(request.token);
  const fromMs = Math.max(request.fromMs, after?.[0] ?? 0);
  const events: FilteredEvent[] = [];
  let bytes = 0;
  for await (const event of merge(logs, group, { ...request, fromMs })) {
    signal.throwIfAborted();
    if (after !== undefined && compare(placeOf(event), after) <= 0) continue;
    if (!request.matches(event.message)) continue;
    bytes += event.message.length;
    const last = events.at(-1);
    if (last !== undefined && (events.length >= request.limit || bytes > PAGE_BYTES)) {
      return { events, token: formatToken(placeOf(last)) };
    }
    events.push(event);
  }
  return { events, token: undefined };
}

/** All lines of the time asked for, in order: segments are read when the merge comes to their first line. */
async function* merge(
  logs: LogService,
  group: LogGroup,
  { fromMs, toMs, wantsStream }: Pick<FilterRequest, 'fromMs' | 'toMs' | 'wantsStream'>,
): AsyncGenerator<FilteredEvent> {
  const waiting = logs
    .segments(group, fromMs, toMs)
    .filter(({ streamName }) => wantsStream(streamName))
    .sort((a, b) => a.firstEventMs - b.firstEventMs);
  let ready: FilteredEvent[] = [];
  for (const [index, segment] of waiting.entries()) {
    ready = mergeSorted(ready, await readSorted(logs, group, segment, fromMs, toMs));
    const untilMs = waiting[index + 1]?.firstEventMs ?? Number.POSITIVE_INFINITY;
    const end = ready.findIndex(({ timestampMs }) => timestampMs >= untilMs);
    yield* end < 0 ? ready : ready.slice(0, end);
    ready = end < 0 ? [] : ready.slice(end);
  }
}

async function readSorted(
  logs: LogService,
  group: LogGroup,
  segment: StreamSegment,
  fromMs: number,
  toMs: number,
): Promise<FilteredEvent[]> {
  const { streamName, streamId } = segment;
  return (await logs.readSegment(group, segment))
    .filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs < toMs)
    .map((event) => ({ ...event, streamName, streamId }))
    .sort((a, b) => compare(placeOf(a), placeOf(b)));
}

function mergeSorted(a: readonly FilteredEvent[], b: readonly FilteredEvent[]): FilteredEvent[] {
  if (a.length === 0) return [...b];
  return [...a, ...b].sort((x, y) => compare(placeOf(x), placeOf(y)));
}

const placeOf = ({ timestampMs, streamId, offset }: FilteredEvent): Place => [timestampMs, streamId, offset];

const compare = (a: Place, b: Place): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];

/** 56 digits, as CloudWatch Logs writes them; in the order of the places. */
export const eventIdOf = (event: FilteredEvent): string =>
  [13, 18, 25].map((digits, index) => String(placeOf(event)[index]).padStart(digits, '0')).join('');

const formatToken = (place: Place): string => Buffer.from(place.join('.')).toString('base64url');

function parseToken(token: string): Place {
  const parts = Buffer.from(token, 'base64url').toString('latin1').split('.').map(Number);
  if (parts.length !== 3 || !parts.every(Number.isSafeInteger)) {
    throw invalid(`the specified nextToken is invalid: "${token}"`);
  }
  return parts as unknown as Place;
}
