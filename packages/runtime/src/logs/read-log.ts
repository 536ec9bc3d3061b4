import { watch } from 'node:fs';
import { dirname } from 'node:path';
import { aborted, type HostPath } from '@slipway/base';
import { LogFiles } from './files.ts';
import { type LogEntry, parseRecord } from './record.ts';

export interface ReadLogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** The last this many records; undefined: all. */
  readonly tail?: number | undefined;
  /** Records of that moment and later. */
  readonly sinceNs?: bigint | undefined;
  /** Records up to that moment. */
  readonly untilNs?: bigint | undefined;
  /** Go on until this resolves, when the container has ended; then what is left is delivered. Undefined: what is there. */
  readonly follow?: Promise<void> | undefined;
  readonly signal?: AbortSignal | undefined;
}

const NEWLINE = 0x0a;

/**
 * Reads a json-file log, across its rotated files, oldest first. A log that is not there is empty. When this resolves its files
 * are open: what they hold is read also when they are removed, as a container is by whoever saw it end. Ends when it is
 * read to its end or its `return` is called.
 */
export async function openLog(path: HostPath, options: ReadLogOptions): Promise<AsyncGenerator<LogEntry>> {
  const entries = readLog(path, options);
  await entries.next();
  return entries as AsyncGenerator<LogEntry>;
}

/** The first one is none, and says that the files are open. */
async function* readLog(path: HostPath, options: ReadLogOptions): AsyncGenerator<LogEntry | undefined> {
  const { follow, signal } = options;
  const wake = new Wake();
  using _watcher = follow === undefined ? undefined : watchFolder(path, wake);
  let ended = follow === undefined;
  void follow?.finally(() => {
    ended = true;
    wake.set();
  });
  if (signal !== undefined) void aborted(signal).then(() => wake.set());
  await using files = await LogFiles.open(path, { growing: follow !== undefined });
  await files.seekTail(options.tail);
  yield undefined;
  const lines = new LineSplitter();
  const stopped = () => signal?.aborted === true;
  while (!stopped()) {
    const lastRound = ended;
    for (let chunk = await files.read(); chunk !== undefined; chunk = await files.read()) {
      for (const line of lines.push(chunk)) {
        const entry = parseRecord(line);
        if (entry === undefined) continue;
        if (options.untilNs !== undefined && entry.timeNs > options.untilNs) return;
        if (options.sinceNs !== undefined && entry.timeNs < options.sinceNs) continue;
        if (options[entry.stream]) yield entry;
        if (stopped()) return;
      }
    }
    if (lastRound) return;
    await wake.wait();
  }
}

/** Remembers that something happened until somebody has waited for it. */
class Wake {
  #happened = Promise.withResolvers<void>();

  set(): void {
    this.#happened.resolve();
  }

  async wait(): Promise<void> {
    await this.#happened.promise;
    this.#happened = Promise.withResolvers<void>();
  }
}

function watchFolder(path: HostPath, wake: Wake): Disposable {
  const watcher = watch(dirname(path), () => wake.set());
  // The folder was removed: whoever removed it also ends `follow`.
  watcher.on('error', () => wake.set());
  return { [Symbol.dispose]: () => watcher.close() };
}

class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<string> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield bytes.toString('utf8', start, end);
      start = end + 1;
    }
    this.#rest = Buffer.from(bytes.subarray(start));
  }
}
