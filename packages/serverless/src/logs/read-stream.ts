import { invalid } from './names.ts';
import type { LogGroup, LogStream } from './records.ts';
import type { StoredEvent } from './segment-files.ts';
import type { LogService } from './service.ts';

export interface StreamPageRequest {
  readonly fromMs: number;
  /** Excluded. */
  readonly toMs: number;
  readonly limit: number;
  readonly startFromHead: boolean;
  readonly token: string | undefined;
}

/** Lines of one stream in their order, and where to go on in either direction. */
export interface StreamPage {
  readonly events: readonly StoredEvent[];
  readonly forwardToken: string;
  readonly backwardToken: string;
}

/** Of messages, in one answer. */
export const PAGE_BYTES = 1 << 20;

/**
 * A page of a stream. The tokens name places in it, so they stay right while lines come; at an end, the token is the one that
 * was given.
 * @throws InvalidArgument InvalidParameterException for a token that is none
 */
export async function readStream(
  logs: LogService,
  group: LogGroup,
  stream: LogStream,
  request: StreamPageRequest,
): Promise<StreamPage> {
  const place = request.token === undefined ? undefined : parseToken(request.token);
  const isForward = place?.isForward ?? request.startFromHead;
  const events = await collect(logs, group, stream, request, { isForward, offset: place?.offset });
  const [first, last] = [events[0], events.at(-1)];
  const empty = place?.offset ?? (isForward ? 0 : endOf(logs, stream));
  return {
    events,
    forwardToken: `f/${last?.endOffset ?? empty}`,
    backwardToken: `b/${first?.offset ?? empty}`,
  };
}

async function collect(
  logs: LogService,
  group: LogGroup,
  stream: LogStream,
  { fromMs, toMs, limit }: StreamPageRequest,
  { isForward, offset }: { readonly isForward: boolean; readonly offset: number | undefined },
): Promise<StoredEvent[]> {
  const segments = logs.segmentsOf(stream);
  if (!isForward) segments.reverse();
  const events: StoredEvent[] = [];
  let bytes = 0;
  for (const segment of segments) {
    if (segment.lastEventMs < fromMs || segment.firstEventMs >= toMs) continue;
    if (offset !== undefined && isForward && segment.offset + segment.sizeBytes <= offset) continue;
    if (offset !== undefined && !isForward && segment.offset >= offset) continue;
    const stored = await logs.readSegment(group, segment);
    if (!isForward) stored.reverse();
    for (const event of stored) {
      if (event.timestampMs < fromMs || event.timestampMs >= toMs) continue;
      if (offset !== undefined && (isForward ? event.offset < offset : event.endOffset > offset)) continue;
      bytes += event.message.length;
      if (events.length > 0 && (events.length >= limit || bytes > PAGE_BYTES)) {
        return isForward ? events : events.reverse();
      }
      events.push(event);
    }
  }
  return isForward ? events : events.reverse();
}

function endOf(logs: LogService, stream: LogStream): number {
  const last = logs.segmentsOf(stream).at(-1);
  return last === undefined ? 0 : last.offset + last.sizeBytes;
}

function parseToken(token: string): { readonly isForward: boolean; readonly offset: number } {
  const [, direction, offset] = /^([fb])\/(\d{1,15})$/.exec(token) ?? [];
  if (offset === undefined) throw invalid(`the specified nextToken is invalid: "${token}"`);
  return { isForward: direction === 'f', offset: Number(offset) };
}
