import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostPath, isErrno } from '@slipway/base';
import type { Segment } from './records.ts';
import type { LogEvent } from './writer.ts';

/** A line as it is kept, with its place in the stream. */
export interface StoredEvent extends LogEvent {
  readonly ingestedAtMs: number;
  /** Of its first byte in the stream. */
  readonly offset: number;
  /** Of the byte after it: where the next one begins. */
  readonly endOffset: number;
}

/** A line of a segment: `[timestampMs,ingestedAtMs,"message"]` and a line feed. */
export const formatLine = ({ timestampMs, message }: LogEvent, ingestedAtMs: number): string =>
  `[${timestampMs},${ingestedAtMs},${JSON.stringify(message)}]\n`;

/** The files that hold the lines of all streams: `ROOT/GROUP/STREAM/OFFSET`. */
export class SegmentFiles {
  readonly #root: HostPath;

  constructor(root: HostPath) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /** Appends whole lines; the file is made by its first ones. */
  append(groupId: number, { streamId, offset }: Pick<Segment, 'streamId' | 'offset'>, lines: string): void {
    const path = this.#path(groupId, streamId, offset);
    try {
      appendFileSync(path, lines, { mode: 0o600 });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
      appendFileSync(path, lines, { mode: 0o600 });
    }
  }

  /** What a segment holds; nothing when it was removed meanwhile. A line that a crash cut off is not one. */
  async read(
    groupId: number,
    { streamId, offset }: Pick<Segment, 'streamId' | 'offset'>,
  ): Promise<StoredEvent[]> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#path(groupId, streamId, offset));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
    const events: StoredEvent[] = [];
    for (let start = 0, end = bytes.indexOf(10); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
      const line = parseLine(bytes.toString('utf8', start, end));
      if (line !== undefined) {
        events.push({ ...line, offset: offset + start, endOffset: offset + end + 1 });
      }
    }
    return events;
  }

  /** In bytes; 0 when there is no such file. */
  sizeOf(groupId: number, { streamId, offset }: Pick<Segment, 'streamId' | 'offset'>): number {
    return statSync(this.#path(groupId, streamId, offset), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Takes away what is behind the last whole line, so that lines can be appended. */
  cut(groupId: number, { streamId, offset }: Pick<Segment, 'streamId' | 'offset'>, sizeBytes: number): void {
    if (this.sizeOf(groupId, { streamId, offset }) > sizeBytes) {
      truncateSync(this.#path(groupId, streamId, offset), sizeBytes);
    }
  }

  remove(groupId: number, { streamId, offset }: Pick<Segment, 'streamId' | 'offset'>): void {
    rmSync(this.#path(groupId, streamId, offset), { force: true });
  }

  removeStream(groupId: number, streamId: number): void {
    rmSync(join(this.#root, String(groupId), String(streamId)), { recursive: true, force: true });
  }

  removeGroup(groupId: number): void {
    rmSync(join(this.#root, String(groupId)), { recursive: true, force: true });
  }

  /** Removes the folders of groups that are no more. */
  sweep(groupIds: ReadonlySet<number>): void {
    for (const name of readdirSync(this.#root)) {
      if (!groupIds.has(Number(name))) rmSync(join(this.#root, name), { recursive: true, force: true });
    }
  }

  #path(groupId: number, streamId: number, offset: number): string {
    return join(this.#root, String(groupId), String(streamId), String(offset));
  }
}

function parseLine(text: string): (LogEvent & { readonly ingestedAtMs: number }) | undefined {
  try {
    const [timestampMs, ingestedAtMs, message] = JSON.parse(text) as [number, number, string];
    return { timestampMs, ingestedAtMs, message };
  } catch {
    return undefined;
  }
}
