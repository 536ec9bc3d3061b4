import { type Clock, nextTurn } from '@slipway/base';
import type { FunctionVersion } from '../../functions/index.ts';
import type { LogEvent, LogWriter } from '../../logs/index.ts';
import type { OutputSink } from '../compute/compute.ts';
import type { TelemetrySubscriptions } from '../runtime-api/telemetry.ts';
import { OutputLines } from './output-lines.ts';
import type { PlatformEvent } from './platform-events.ts';
import { systemLine } from './platform-events.ts';

/** What LogResult holds. */
const TAIL_BYTES = 4_096;
/** Output that is taken before others get their turn. */
const TURN_BYTES = 256 * 1024;

export interface EnvironmentLogOptions {
  readonly clock: Clock;
  readonly writer: LogWriter;
  readonly stream: string;
  readonly version: FunctionVersion;
  /** Whether the runtime client writes line breaks within an event as carriage returns. */
  readonly joinsLines: boolean;
  readonly telemetry: () => TelemetrySubscriptions | undefined;
}

/** The log of one environment: what its processes write, and what happens to it. */
export class EnvironmentLog {
  readonly #options: EnvironmentLogOptions;
  readonly #outputs: OutputLines[] = [];
  #events: LogEvent[] = [];
  #tail: string[] = [];
  #tailBytes = 0;
  #turnBytes = 0;

  constructor(options: EnvironmentLogOptions) {
    this.#options = options;
  }

  /** Where a process writes; an extension's lines are told apart in telemetry. */
  openOutput(kind: 'function' | 'extension'): OutputSink {
    const streams = {
      stdout: new OutputLines((line) => this.#addLine(kind, line)),
      stderr: new OutputLines((line) => this.#addLine(kind, line)),
    };
    this.#outputs.push(streams.stdout, streams.stderr);
    return {
      write: ({ stream, bytes }) => {
        streams[stream].push(bytes);
        this.#flush();
        this.#turnBytes += bytes.byteLength;
        if (this.#turnBytes < TURN_BYTES) return undefined;
        this.#turnBytes = 0;
        return nextTurn();
      },
    };
  }

  /** What the platform does: a line, where the function's logging shows it, and telemetry. */
  tell(event: PlatformEvent): void {
    const { clock, version, telemetry } = this.#options;
    const nowMs = clock.nowMs();
    const line = systemLine(event, version.logging, nowMs);
    if (line !== undefined) this.#add(line, nowMs);
    telemetry()?.publish({
      time: new Date(nowMs).toISOString(),
      type: event.type,
      record: event.record,
    });
    this.#flush();
  }

  /** A line of Slipway's own among the function's, as on a time-out. */
  write(line: string): void {
    this.#add(`${line}\n`, this.#options.clock.nowMs());
    this.#flush();
  }

  /** A new invocation begins: the tail is its own. */
  clearTail(): void {
    this.#tail = [];
    this.#tailBytes = 0;
  }

  get tail(): string {
    const text = Buffer.from(this.#tail.join(''));
    let start = Math.max(0, text.length - TAIL_BYTES);
    // Not in the middle of a character.
    while (start > 0 && ((text[start] ?? 0) & 0xc0) === 0x80) start++;
    return text.toString('utf8', start);
  }

  /** Lines that have no end yet are written as they are. */
  endLines(): void {
    for (const output of this.#outputs) output.end();
    this.#flush();
  }

  #addLine(kind: 'function' | 'extension', line: string): void {
    const { clock, telemetry, joinsLines } = this.#options;
    const text = joinsLines && kind === 'function' ? line.replaceAll('\r', '\n') : line;
    const nowMs = clock.nowMs();
    this.#add(`${text}\n`, nowMs);
    const subscriptions = telemetry();
    if (subscriptions?.isWanted !== true) return;
    subscriptions.publish({ time: new Date(nowMs).toISOString(), type: kind, record: `${text}\n` });
  }

  #add(message: string, timestampMs: number): void {
    this.#events.push({ timestampMs, message });
    this.#tail.push(message);
    this.#tailBytes += message.length;
    while (this.#tail.length > 1 && this.#tailBytes - (this.#tail[0] as string).length >= TAIL_BYTES) {
      this.#tailBytes -= (this.#tail.shift() as string).length;
    }
  }

  #flush(): void {
    if (this.#events.length === 0) return;
    const { writer, version, stream } = this.#options;
    const events = this.#events;
    this.#events = [];
    writer.append(version.logging.group, stream, events);
  }
}
