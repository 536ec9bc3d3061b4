import { type FSWatcher, watch } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  type Clock,
  errorMessage,
  type HostPath,
  isErrno,
  type Logger,
  type Random,
  SlipwayError,
} from '@slipway/base';
import type { StartingPosition } from '../mapping.ts';
import type { DirectoryCursors } from '../records.ts';
import type { EventSource, SourceItem } from '../source.ts';

export interface DirectorySourceOptions {
  readonly mappingUuid: string;
  readonly folder: HostPath;
  readonly bucket: string;
  readonly region: string;
  /** Whether what is there already counts as created. */
  readonly from: StartingPosition;
  readonly cursors: DirectoryCursors;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A file that was written to more recently may not be whole yet. */
const SETTLE_MS = 1_000;
/** What the kernel's notices missed is found by then. */
const RESCAN_MS = 60_000;
const MAX_FILES = 100_000;

interface FoundFile {
  readonly key: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Files that appear in a folder or change there, told as S3 tells of objects. */
export async function directorySource(options: DirectorySourceOptions): Promise<EventSource> {
  const source = new DirectorySource(options);
  await source.open();
  return source;
}

/**
 * A file's version is its inode, size and time of modification; the cursor has the version of each file that was told of. So
 * what happened while nobody watched is found by comparing. Names that begin with a dot are what programs write to before they
 * rename it, and are left out, as are links.
 */
class DirectorySource implements EventSource {
  readonly redelivers = false;
  readonly #options: DirectorySourceOptions;
  /** Told and acknowledged. */
  #known = new Map<string, string>();
  /** Told, and still in the caller's hands. */
  readonly #inHand = new Map<string, string>();
  readonly #files = new WeakMap<SourceItem, FoundFile>();
  #found: SourceItem[] = [];
  #watcher: FSWatcher | undefined;
  #changed = Promise.withResolvers<void>();
  /** When to look again, at the latest. */
  #lookAtMs = 0;

  constructor(options: DirectorySourceOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { folder, cursors, mappingUuid, from, logger } = this.#options;
    // Watched before it is read, so that nothing comes in between.
    this.#watcher = watch(folder, { recursive: true, persistent: false }, () => this.#notice());
    this.#watcher.on('error', (error) => {
      logger.warn({ err: error, folder }, 'a folder cannot be watched; it is read once a minute');
    });
    const known = cursors.read(mappingUuid);
    if (known !== undefined) {
      this.#known = known;
      return;
    }
    const files = from === 'LATEST' ? await this.#list() : [];
    this.#known = new Map(files.map(({ key, version }) => [key, version]));
    cursors.begin(mappingUuid, this.#known);
  }

  async receive({
    max,
    waitMs,
    signal,
  }: Parameters<EventSource['receive']>[0]): Promise<readonly SourceItem[]> {
    const { clock } = this.#options;
    const deadlineMs = clock.nowMs() + waitMs;
    while (this.#found.length === 0 && !signal.aborted) {
      const nowMs = clock.nowMs();
      if (nowMs >= this.#lookAtMs) {
        await this.#look(nowMs);
        continue;
      }
      if (nowMs >= deadlineMs) break;
      await this.#wait(Math.min(this.#lookAtMs, deadlineMs) - nowMs, signal);
    }
    const items = this.#found.splice(0, max);
    for (const item of items) {
      const file = this.#files.get(item);
      if (file !== undefined) this.#inHand.set(file.key, file.version);
    }
    return items;
  }

  async acknowledge(items: readonly SourceItem[]): Promise<void> {
    const versions = new Map(this.#filesOf(items).map(({ key, version }) => [key, version]));
    this.#options.cursors.set(this.#options.mappingUuid, versions);
    for (const [key, version] of versions) {
      this.#known.set(key, version);
      this.#inHand.delete(key);
    }
  }

  async keep(): Promise<void> {}

  async release(items: readonly SourceItem[]): Promise<void> {
    for (const { key } of this.#filesOf(items)) this.#inHand.delete(key);
    this.#notice();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watcher?.close();
    this.#changed.resolve();
  }

  #filesOf(items: readonly SourceItem[]): FoundFile[] {
    return items.map((item) => this.#files.get(item)).filter((file) => file !== undefined);
  }

  #notice(): void {
    this.#lookAtMs = Math.min(this.#lookAtMs, this.#options.clock.nowMs() + SETTLE_MS / 10);
    this.#changed.resolve();
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const changed = Promise.withResolvers<void>();
    this.#changed = changed;
    using _timer = this.#options.clock.timer(ms, changed.resolve);
    const abort = () => changed.resolve();
    signal.addEventListener('abort', abort, { once: true });
    await changed.promise;
    signal.removeEventListener('abort', abort);
  }

  /** Compares what is there with what is known. */
  async #look(nowMs: number): Promise<void> {
    this.#lookAtMs = nowMs + RESCAN_MS;
    const files = await this.#list();
    const there = new Set(files.map(({ key }) => key));
    const gone = [...this.#known.keys()].filter((key) => !there.has(key));
    if (gone.length > 0) {
      for (const key of gone) this.#known.delete(key);
      this.#options.cursors.forget(this.#options.mappingUuid, gone);
    }
    for (const file of files) {
      const version = this.#inHand.get(file.key) ?? this.#known.get(file.key);
      if (version === file.version) continue;
      const settledAtMs = file.modifiedAtMs + SETTLE_MS;
      if (settledAtMs > nowMs && settledAtMs <= nowMs + SETTLE_MS) {
        this.#lookAtMs = Math.min(this.#lookAtMs, settledAtMs);
        continue;
      }
      const item = this.#toItem(file, nowMs);
      this.#files.set(item, file);
      this.#found.push(item);
    }
  }

  async #list(): Promise<FoundFile[]> {
    const { folder } = this.#options;
    let entries: Awaited<ReturnType<typeof readFolder>>;
    try {
      entries = await readFolder(folder);
    } catch (cause) {
      throw new SlipwayError(
        'NotFound',
        `cannot read the folder of the bucket, ${folder}: ${errorMessage(cause)}`,
        {
          cause,
        },
      );
    }
    const files: FoundFile[] = [];
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const key = relative(folder, path);
      if (key.split('/').some((name) => name.startsWith('.'))) continue;
      if (files.length >= MAX_FILES) {
        throw new SlipwayError(
          'ResourceExhausted',
          `the bucket ${this.#options.bucket} has more than the ${MAX_FILES} files that can be watched: take some out`,
        );
      }
      try {
        const { size, mtimeMs, ino } = await lstat(path);
        files.push({ key, version: `${ino}/${size}/${mtimeMs}`, sizeBytes: size, modifiedAtMs: mtimeMs });
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
    return files.sort((a, b) => a.modifiedAtMs - b.modifiedAtMs);
  }

  /** @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
  #toItem(file: FoundFile, nowMs: number): SourceItem {
    const { bucket, region, random } = this.#options;
    const record = {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: region,
      eventTime: new Date(nowMs).toISOString(),
      eventName: 'ObjectCreated:Put',
      userIdentity: { principalId: 'slipway' },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: { 'x-amz-request-id': random.hex(8).toUpperCase() },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId: this.#options.mappingUuid,
        bucket: { name: bucket, ownerIdentity: { principalId: 'slipway' }, arn: `arn:aws:s3:::${bucket}` },
        object: {
          key: encodeKey(file.key),
          size: file.sizeBytes,
          sequencer: Math.round(file.modifiedAtMs).toString(16).toUpperCase().padStart(16, '0'),
        },
      },
    };
    return { id: file.key, record, sizeBytes: 2048 };
  }
}

const readFolder = (folder: string) => readdir(folder, { withFileTypes: true, recursive: true });

/** S3 encodes keys as forms do, and leaves the slashes. */
const encodeKey = (key: string): string =>
  key
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll('%20', '+'))
    .join('/');
