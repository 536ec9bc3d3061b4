import type { Segment } from './records.ts';
import { formatLine } from './segment-files.ts';
import type { LogEvent } from './writer.ts';

/** A stream that is written to: its newest segment, and the lines of it that are not in the file yet. */
export class OpenStream {
  readonly groupId: number;
  readonly streamId: number;
  #segment: Segment;
  #waiting: string[] = [];
  #waitingBytes = 0;

  /** Goes on in `segment`, or begins at `offset`. */
  constructor(groupId: number, segment: Segment) {
    this.groupId = groupId;
    this.streamId = segment.streamId;
    this.#segment = segment;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  add(events: readonly LogEvent[], ingestedAtMs: number): void {
    let { firstEventMs, lastEventMs } = this.#segment;
    for (const event of events) {
      const line = formatLine(event, ingestedAtMs);
      this.#waiting.push(line);
      this.#waitingBytes += Buffer.byteLength(line);
      firstEventMs = Math.min(firstEventMs, event.timestampMs);
      lastEventMs = Math.max(lastEventMs, event.timestampMs);
    }
    this.#segment = { ...this.#segment, firstEventMs, lastEventMs };
  }

  /** What is to be written now, as lines and as the segment once they are in it. A full segment is followed by a fresh one. */
  take(maxSegmentBytes: number): { readonly segment: Segment; readonly lines: string } | undefined {
    if (this.#waitingBytes === 0) return undefined;
    const lines = this.#waiting.join('');
    const segment = { ...this.#segment, sizeBytes: this.#segment.sizeBytes + this.#waitingBytes };
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#segment =
      segment.sizeBytes < maxSegmentBytes
        ? segment
        : emptySegment(this.streamId, segment.offset + segment.sizeBytes);
    return { segment, lines };
  }
}

export const emptySegment = (streamId: number, offset: number): Segment => ({
  streamId,
  offset,
  sizeBytes: 0,
  firstEventMs: Number.MAX_SAFE_INTEGER,
  lastEventMs: 0,
});
