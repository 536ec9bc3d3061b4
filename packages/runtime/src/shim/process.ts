import { type Clock, type Deferred, SlipwayError } from '@slipway/base';
import type { AttachSink, ExitStatus, OutputChunk, Process } from '../task.ts';
import type { ShimConnection } from './connection.ts';
import { decodeStrings, type Frame } from './protocol.ts';

/** Stdin that the shim was sent and has not written to the process yet, at most. */
const STDIN_WINDOW_BYTES = 256 * 1024;
/** Output that waits for a slow sink before the process is slowed down. */
const OUTPUT_WINDOW_BYTES = 256 * 1024;
/** How long the end of a process waits for a sink that takes nothing any more. */
const DELIVERY_GRACE_MS = 10_000;

export interface ShimProcessOptions {
  readonly connection: ShimConnection;
  readonly handle: number;
  readonly terminal: boolean;
  readonly clock: Clock;
  readonly attach: readonly AttachSink[];
}

/** One process of a shim: its streams, its signals and its end. */
export class ShimProcess implements Process {
  readonly exited: Promise<ExitStatus>;
  /** Rejects with a `StartFailure` when it could not be started. */
  readonly started: Promise<void>;
  readonly #connection: ShimConnection;
  readonly #handle: number;
  readonly #terminal: boolean;
  readonly #clock: Clock;
  readonly #sinks: Set<AttachSink>;
  readonly #exit: Deferred<ExitStatus> = Promise.withResolvers();
  readonly #start: Deferred<void> = Promise.withResolvers();
  readonly #output: OutputChunk[] = [];
  #outputBytes = 0;
  #delivering = false;
  #whenDelivered: Deferred<void> | undefined;
  #held = false;
  #ended: ExitStatus | undefined;
  #complete = false;
  #pid = 0;
  #startedAtNs = 0n;
  #stdinBytes = 0;
  #stdinRoom: Deferred<void> | undefined;

  constructor(options: ShimProcessOptions) {
    this.#connection = options.connection;
    this.#handle = options.handle;
    this.#terminal = options.terminal;
    this.#clock = options.clock;
    this.#sinks = new Set(options.attach);
    this.exited = this.#exit.promise;
    this.started = this.#start.promise;
    this.started.catch(() => {});
  }

  get pid(): number {
    return this.#pid;
  }

  get startedAtNs(): bigint {
    return this.#startedAtNs;
  }

  /** How it ended, as soon as that is known, also while output is still being delivered. */
  get ended(): ExitStatus | undefined {
    return this.#ended;
  }

  /** For a process that an earlier daemon started. */
  adopt(pid: number, startedAtNs: bigint): void {
    this.#pid = pid;
    this.#startedAtNs = startedAtNs;
    this.#start.resolve();
  }

  /** Takes a frame of this process. */
  receive(frame: Frame): void {
    switch (frame.type) {
      case 'S': {
        const [pid = '0', startedAtNs = '0'] = decodeStrings(frame.payload);
        this.adopt(Number(pid), BigInt(startedAtNs));
        return;
      }
      case 'F': {
        const [status = '125', ...words] = decodeStrings(frame.payload);
        this.fail(new StartFailure(Number(status), words.join(' ').trim()));
        return;
      }
      case 'O':
        this.#take({ stream: frame.stream === 2 ? 'stderr' : 'stdout', bytes: frame.payload });
        return;
      case 'W':
        this.#stdinBytes -= frame.payload.readUInt32LE(0);
        this.#stdinRoom?.resolve();
        this.#stdinRoom = undefined;
        return;
      case 'X': {
        const [exitCode = '137', oomKilled = '0', exitedAtNs = '0', peak = '0'] = decodeStrings(
          frame.payload,
        );
        this.end({
          memoryPeakBytes: Number(peak),
          exitCode: Number(exitCode),
          oomKilled: oomKilled === '1',
          exitedAtNs: BigInt(exitedAtNs),
        });
        return;
      }
    }
  }

  /** It did not start: its sinks end, and nothing else happens any more. */
  fail(error: unknown): void {
    this.#start.reject(error);
    this.end({ exitCode: 125, oomKilled: false, exitedAtNs: this.#clock.nowNs() });
  }

  /** It has ended; what waits is delivered first. */
  end(status: ExitStatus): void {
    if (this.#ended !== undefined) return;
    this.#ended = status;
    this.#stdinRoom?.resolve();
    if (this.#delivering) {
      this.#clock.timer(DELIVERY_GRACE_MS, () => this.#exit.resolve(status));
    } else {
      this.#finish();
    }
  }

  async writeStdin(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength && this.#ended === undefined; at += STDIN_WINDOW_BYTES / 4) {
      const part = bytes.subarray(at, at + STDIN_WINDOW_BYTES / 4);
      this.#stdinBytes += part.byteLength;
      this.#connection.send('I', this.#handle, part);
      while (this.#stdinBytes > STDIN_WINDOW_BYTES && this.#ended === undefined) {
        this.#stdinRoom ??= Promise.withResolvers<void>();
        await this.#stdinRoom.promise;
      }
    }
  }

  async closeStdin(): Promise<void> {
    if (this.#ended === undefined) this.#connection.send('C', this.#handle);
  }

  async resize({ rows, columns }: { readonly rows: number; readonly columns: number }): Promise<void> {
    if (!this.#terminal) {
      throw new SlipwayError(
        'FailedPrecondition',
        'the process has no terminal to resize; start it with a tty',
      );
    }
    if (this.#ended !== undefined) return;
    const size = Buffer.alloc(4);
    size.writeUInt16LE(rows, 0);
    size.writeUInt16LE(columns, 2);
    this.#connection.send('R', this.#handle, size);
  }

  attach(sink: AttachSink): Disposable {
    if (this.#complete) {
      sink.end();
      return { [Symbol.dispose]: () => {} };
    }
    this.#sinks.add(sink);
    if (this.#sinks.size === 1 && this.#ended === undefined)
      this.#connection.send('A', this.#handle, new Uint8Array(), 1);
    return { [Symbol.dispose]: () => this.#detach(sink) };
  }

  async signal(signal: number): Promise<void> {
    if (this.#ended !== undefined) {
      throw new SlipwayError('NotFound', `process ${this.#pid} has ended and cannot get signal ${signal}`);
    }
    const number = Buffer.alloc(4);
    number.writeInt32LE(signal);
    this.#connection.send('K', this.#handle, number);
  }

  /** Resolves when what has come was taken by every sink. */
  async delivered(): Promise<void> {
    if (!this.#delivering) return;
    this.#whenDelivered ??= Promise.withResolvers<void>();
    await this.#whenDelivered.promise;
  }

  #detach(sink: AttachSink): void {
    if (!this.#sinks.delete(sink)) return;
    if (this.#sinks.size === 0 && this.#ended === undefined) this.#connection.send('A', this.#handle);
    sink.end();
  }

  #take(chunk: OutputChunk): void {
    this.#output.push(chunk);
    this.#outputBytes += chunk.bytes.byteLength;
    if (!this.#delivering) void this.#deliver();
    if (this.#outputBytes > OUTPUT_WINDOW_BYTES && !this.#held) this.#hold(true);
  }

  #hold(held: boolean): void {
    this.#held = held;
    if (this.#ended === undefined) this.#connection.send('P', this.#handle, new Uint8Array(), held ? 1 : 0);
  }

  async #deliver(): Promise<void> {
    this.#delivering = true;
    for (let chunk = this.#output.shift(); chunk !== undefined; chunk = this.#output.shift()) {
      const slow: Promise<void>[] = [];
      for (const sink of this.#sinks) {
        const written = this.#writeTo(sink, chunk);
        if (written !== undefined) slow.push(written);
      }
      if (slow.length > 0) await Promise.all(slow);
      this.#outputBytes -= chunk.bytes.byteLength;
      if (this.#held && this.#outputBytes <= OUTPUT_WINDOW_BYTES / 2) this.#hold(false);
    }
    this.#delivering = false;
    this.#whenDelivered?.resolve();
    this.#whenDelivered = undefined;
    if (this.#ended !== undefined) this.#finish();
  }

  /** A sink that throws has broken for good, and is detached. */
  #writeTo(sink: AttachSink, chunk: OutputChunk): Promise<void> | undefined {
    try {
      return sink.write(chunk)?.catch(() => this.#detach(sink)) ?? undefined;
    } catch {
      this.#detach(sink);
      return undefined;
    }
  }

  #finish(): void {
    this.#complete = true;
    for (const sink of this.#sinks) sink.end();
    this.#sinks.clear();
    this.#exit.resolve(this.#ended as ExitStatus);
  }
}

/** The runtime could not start a process; its driver says what that means. */
export class StartFailure extends Error {
  readonly status: number;
  readonly words: string;

  constructor(status: number, words: string) {
    super(words === '' ? `the runtime ended with ${status}` : words);
    this.status = status;
    this.words = words;
  }
}
