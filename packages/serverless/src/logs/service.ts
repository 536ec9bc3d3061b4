import { type Clock, errorMessage, type HostPath, type Logger } from '@slipway/base';
import type { Database } from '@slipway/store';
import { awsError } from '../aws/index.ts';
import { checkGroupName, checkStreamName, missing } from './names.ts';
import { emptySegment, OpenStream } from './open-stream.ts';
import { type LogGroup, LogRecords, type LogStream, type Segment, type StreamSegment } from './records.ts';
import { SegmentFiles, type StoredEvent } from './segment-files.ts';
import { type TailSelection, Tails } from './tails.ts';
import type { LogEvent, LogWriter } from './writer.ts';

export interface LogServiceOptions {
  readonly database: Database;
  /** The files of lines live here. */
  readonly root: HostPath;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: {
    /** What a group may hold before its oldest lines go. */
    readonly groupMaxBytes: number;
  };
}

const FLUSH_MS = 200;
const SWEEP_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** When a stream has more to be written, everything is written at once. */
const MAX_WAITING_BYTES = 1 << 20;
const MAX_SEGMENT_BYTES = 4 << 20;
/** Of a group's bound; so that a group that is full loses a part of its past, not all of it. */
const SEGMENTS_IN_GROUP = 16;
/** Streams that are held open to be written on; more only while they have lines to be written. */
const MAX_IDLE_STREAMS = 512;

/**
 * Log groups, their streams and their lines. Lines are readable at once and in their files within a fraction of a second:
 * a daemon that is killed loses at most that. Disposing writes what waits.
 */
export class LogService implements LogWriter, AsyncDisposable {
  readonly #records: LogRecords;
  readonly #files: SegmentFiles;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #groupMaxBytes: number;
  readonly #tails: Tails;
  /** By group and stream name; the one written last is the last. */
  readonly #open = new Map<string, OpenStream>();
  readonly #sizes: Map<number, number>;
  readonly #sweeping: Disposable;
  #flushing: Disposable | undefined;

  /** Repairs what a crash left of the lines that were being written. */
  constructor({ database, root, clock, logger, settings }: LogServiceOptions) {
    this.#records = new LogRecords(database);
    this.#files = new SegmentFiles(root);
    this.#clock = clock;
    this.#logger = logger;
    this.#groupMaxBytes = settings.groupMaxBytes;
    this.#tails = new Tails();
    this.#files.sweep(this.#records.groupIds());
    this.#sizes = this.#records.sizes();
    this.#sweeping = clock.interval(SWEEP_MS, () => this.dropExpired());
  }

  static async open(options: LogServiceOptions): Promise<LogService> {
    const service = new LogService(options);
    await service.#repair();
    return service;
  }

  append(group: string, stream: string, events: readonly LogEvent[]): void {
    if (events.length === 0) return;
    const open = this.#openStream(group, stream);
    const nowMs = this.#clock.nowMs();
    open.add(events, nowMs);
    this.#tails.publish(group, stream, events, nowMs);
    if (open.waitingBytes > MAX_WAITING_BYTES) this.flush();
    else this.#flushing ??= this.#clock.timer(FLUSH_MS, () => this.flush());
  }

  /** Writes what waits. */
  flush(): void {
    this.#flushing?.[Symbol.dispose]();
    this.#flushing = undefined;
    this.#write();
    for (const key of this.#open.keys()) {
      if (this.#open.size <= MAX_IDLE_STREAMS) break;
      this.#open.delete(key);
    }
  }

  /** @throws AlreadyExists ResourceAlreadyExistsException */
  createGroup(name: string, tags: Readonly<Record<string, string>> = {}): LogGroup {
    if (this.#records.findGroup(checkGroupName(name)) !== undefined) throw exists('group');
    return this.#records.insertGroup(name, this.#clock.nowMs(), tags);
  }

  /** @throws NotFound ResourceNotFoundException */
  group(name: string): LogGroup {
    const group = this.#records.findGroup(checkGroupName(name));
    if (group === undefined) throw missing('group');
    return group;
  }

  listGroups(match: { prefix: string; part: string; after: string; limit: number }): LogGroup[] {
    return this.#records.listGroups(match);
  }

  updateGroup(group: LogGroup): void {
    this.#records.updateGroup(group);
  }

  /** With its streams and lines. */
  deleteGroup(name: string): void {
    const { id } = this.group(name);
    this.#forgetOpen(({ groupId }) => groupId === id);
    this.#records.deleteGroup(id);
    this.#sizes.delete(id);
    this.#files.removeGroup(id);
  }

  /** In bytes. */
  sizeOf({ id }: LogGroup): number {
    return this.#sizes.get(id) ?? 0;
  }

  /** @throws AlreadyExists ResourceAlreadyExistsException */
  createStream(group: LogGroup, name: string): LogStream {
    if (this.#records.findStream(group.id, checkStreamName(name)) !== undefined) throw exists('stream');
    return this.#records.insertStream(group.id, name, this.#clock.nowMs());
  }

  /** @throws NotFound ResourceNotFoundException */
  stream(group: LogGroup, name: string): LogStream {
    this.flush();
    const stream = this.#records.findStream(group.id, checkStreamName(name));
    if (stream === undefined) throw missing('stream');
    return stream;
  }

  streams(group: LogGroup): LogStream[] {
    this.flush();
    return this.#records.streams(group.id);
  }

  deleteStream(group: LogGroup, name: string): void {
    const { id } = this.stream(group, name);
    this.#forgetOpen(({ streamId }) => streamId === id);
    const sizeBytes = this.#records.segmentsOf(id).reduce((sum, segment) => sum + segment.sizeBytes, 0);
    this.#records.deleteStream(id);
    this.#grow(group.id, -sizeBytes);
    this.#files.removeStream(group.id, id);
  }

  /** The segments of a group that may hold lines of this time, `toMs` excluded. */
  segments(group: LogGroup, fromMs: number, toMs: number): StreamSegment[] {
    this.flush();
    return this.#records.segments(group.id, fromMs, toMs);
  }

  /** Those of one stream, the oldest first. */
  segmentsOf(stream: LogStream): Segment[] {
    this.flush();
    return this.#records.segmentsOf(stream.id);
  }

  readSegment(group: LogGroup, segment: Segment): Promise<StoredEvent[]> {
    return this.#files.read(group.id, segment);
  }

  /** New lines as they are appended, until disposed. @see Tails */
  tail(selection: TailSelection): ReturnType<Tails['open']> {
    return this.#tails.open(selection);
  }

  /** Drops the lines that are older than their group keeps them. */
  dropExpired(): void {
    this.flush();
    const all = { prefix: '', part: '', after: '', limit: Number.MAX_SAFE_INTEGER };
    for (const group of this.#records.listGroups(all)) {
      if (group.retentionDays === undefined) continue;
      const untilMs = this.#clock.nowMs() - group.retentionDays * DAY_MS;
      for (const segment of this.#records.segments(group.id, 0, untilMs)) {
        if (segment.lastEventMs < untilMs) this.#dropSegment(group.id, segment);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweeping[Symbol.dispose]();
    this.#tails.end();
    this.flush();
  }

  #openStream(groupName: string, streamName: string): OpenStream {
    const key = `${groupName}\n${streamName}`;
    let open = this.#open.get(key);
    if (open === undefined) {
      const nowMs = this.#clock.nowMs();
      const group =
        this.#records.findGroup(checkGroupName(groupName)) ?? this.#records.insertGroup(groupName, nowMs, {});
      const stream =
        this.#records.findStream(group.id, checkStreamName(streamName)) ??
        this.#records.insertStream(group.id, streamName, nowMs);
      const last = this.#records.segmentsOf(stream.id).at(-1);
      open = new OpenStream(group.id, last ?? emptySegment(stream.id, 0));
    } else {
      this.#open.delete(key);
    }
    this.#open.set(key, open);
    return open;
  }

  #forgetOpen(isGone: (stream: OpenStream) => boolean): void {
    for (const [key, stream] of this.#open) if (isGone(stream)) this.#open.delete(key);
  }

  #write(): void {
    const streams = [...this.#open.values()].filter(({ waitingBytes }) => waitingBytes > 0);
    if (streams.length === 0) return;
    const nowMs = this.#clock.nowMs();
    const full = new Set<number>();
    this.#records.batch(() => {
      for (const stream of streams) {
        const taken = stream.take(this.#maxSegmentBytes);
        if (taken === undefined || !this.#append(stream.groupId, taken)) continue;
        this.#records.saveSegment(taken.segment, nowMs);
        if (this.#grow(stream.groupId, Buffer.byteLength(taken.lines)) > this.#groupMaxBytes) {
          full.add(stream.groupId);
        }
      }
    });
    for (const groupId of full) this.#makeRoom(groupId);
  }

  /** Lines that cannot be written are lost, and that is said: whoever writes them must not stand still for it. */
  #append(groupId: number, { segment, lines }: { segment: Segment; lines: string }): boolean {
    try {
      this.#files.append(groupId, segment, lines);
      return true;
    } catch (error) {
      this.#logger.warn({ error: errorMessage(error) }, 'lines of a log could not be written and are lost');
      this.#forgetOpen(({ streamId }) => streamId === segment.streamId);
      return false;
    }
  }

  #makeRoom(groupId: number): void {
    while ((this.#sizes.get(groupId) ?? 0) > this.#groupMaxBytes) {
      const [oldest, next] = this.#records.oldestSegments(groupId, 2);
      // The last one is being written.
      if (oldest === undefined || next === undefined) return;
      this.#dropSegment(groupId, oldest);
    }
  }

  #dropSegment(groupId: number, segment: Segment): void {
    this.#records.deleteSegment(segment);
    this.#grow(groupId, -segment.sizeBytes);
    this.#files.remove(groupId, segment);
    this.#forgetOpen(({ streamId }) => streamId === segment.streamId);
    if (this.#records.segmentsOf(segment.streamId).length === 0) {
      this.#records.deleteStream(segment.streamId);
      this.#files.removeStream(groupId, segment.streamId);
    }
  }

  #grow(groupId: number, bytes: number): number {
    const size = (this.#sizes.get(groupId) ?? 0) + bytes;
    this.#sizes.set(groupId, size);
    return size;
  }

  get #maxSegmentBytes(): number {
    return Math.min(MAX_SEGMENT_BYTES, this.#groupMaxBytes / SEGMENTS_IN_GROUP);
  }

  /** The records may be behind the files by what was written last, and a file may end in half a line. */
  async #repair(): Promise<void> {
    for (const segment of this.#records.lastSegments()) {
      const { groupId, offset, sizeBytes } = segment;
      if (this.#files.sizeOf(groupId, segment) === sizeBytes) continue;
      const events = await this.#files.read(groupId, segment);
      const wholeBytes = (events.at(-1)?.endOffset ?? offset) - offset;
      this.#files.cut(groupId, segment, wholeBytes);
      const times = events.map(({ timestampMs }) => timestampMs);
      const repaired = {
        ...segment,
        sizeBytes: wholeBytes,
        firstEventMs: times.reduce((a, b) => Math.min(a, b), segment.firstEventMs),
        lastEventMs: times.reduce((a, b) => Math.max(a, b), segment.lastEventMs),
      };
      this.#records.batch(() => this.#records.saveSegment(repaired, this.#clock.nowMs()));
      this.#grow(groupId, wholeBytes - sizeBytes);
    }
  }
}

const exists = (what: 'group' | 'stream') =>
  awsError('AlreadyExists', 'ResourceAlreadyExistsException', `The specified log ${what} already exists`);
