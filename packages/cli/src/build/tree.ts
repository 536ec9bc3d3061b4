import { stripVTControlCharacters } from 'node:util';
import type { Clock } from '@slipway/base/clock';
import type { BuildMessage } from '@slipway/client';
import { formatSize } from '../format/units.ts';
import type { BuildProgress } from './progress.ts';
import { formatSeconds, type Step, Steps, stepMs } from './step.ts';

const REDRAW_MS = 100;
const LOG_LINES = 5;
const UNKNOWN_ROWS = 24;
const UNKNOWN_COLUMNS = 80;

/** Every step a line, with its time; below one that runs, the end of its output. Drawn again as it goes. */
export class TreeProgress implements BuildProgress {
  readonly #out: NodeJS.WriteStream;
  readonly #clock: Clock;
  readonly #steps = new Steps();
  readonly #transfers = new Map<string, string>();
  readonly #timer: Disposable;
  readonly #beganAtMs: number;
  #drawn = 0;

  constructor(out: NodeJS.WriteStream, clock: Clock) {
    this.#out = out;
    this.#clock = clock;
    this.#beganAtMs = clock.nowMs();
    this.#timer = clock.interval(REDRAW_MS, () => this.#draw(false));
  }

  take(message: BuildMessage): void {
    if (message.kind === 'vertex') this.#steps.take(message);
    else if (message.kind === 'log') this.#steps.addLog(message);
    else if (message.kind === 'progress') {
      const { digest, name, currentBytes, totalBytes } = message;
      const total = totalBytes === undefined ? '' : ` / ${formatSize(totalBytes)}`;
      this.#transfers.set(digest, `${name} ${formatSize(currentBytes)}${total}`);
    }
  }

  failure(): string {
    return this.#steps.failure();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#draw(true);
  }

  #draw(isLast: boolean): void {
    const all = this.#lines(isLast);
    const room = (this.#out.rows || UNKNOWN_ROWS) - 1;
    // What does not fit the screen could not be drawn over; the end of the build shows all of it.
    const lines = isLast ? all : [all[0] as string, ...all.slice(1).slice(-(room - 1))];
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\r`;
    this.#out.write(`${up}\x1b[J${lines.map((line) => `${line}\n`).join('')}`);
    this.#drawn = isLast ? 0 : lines.length;
  }

  #lines(isLast: boolean): string[] {
    const nowMs = this.#clock.nowMs();
    const steps = this.#steps
      .list()
      .filter(({ vertex }) => vertex.startedAtMs !== undefined || vertex.cached);
    const done = steps.filter(isDone).length;
    const state = isLast && done === steps.length ? 'Built' : 'Building';
    return [
      this.#line(`${state} (${done}/${steps.length})`, formatSeconds(nowMs - this.#beganAtMs)),
      ...steps.flatMap((step) => this.#stepLines(step, nowMs)),
    ];
  }

  #stepLines(step: Step, nowMs: number): string[] {
    const { vertex, log, rest } = step;
    const mark = vertex.error !== undefined ? 'ERROR ' : vertex.cached ? 'CACHED ' : '';
    const line = this.#line(` => ${mark}${vertex.title}`, formatSeconds(stepMs(vertex, nowMs)));
    if (isDone(step)) return [line];
    const transfer = this.#transfers.get(vertex.digest);
    const output = [...log, ...(rest === '' ? [] : [rest])].slice(-LOG_LINES);
    const below = [...(transfer === undefined ? [] : [transfer]), ...output];
    return [line, ...below.map((text) => this.#line(` => => ${plain(text)}`, ''))];
  }

  #line(left: string, right: string): string {
    const width = (this.#out.columns || UNKNOWN_COLUMNS) - 1;
    const text = [...left].slice(0, Math.max(0, width - right.length - 1)).join('');
    return right === '' ? text : `${text.padEnd(width - right.length)}${right}`;
  }
}

const isDone = ({ vertex }: Step): boolean =>
  vertex.completedAtMs !== undefined || vertex.cached || vertex.error !== undefined;

/** Without what moves the cursor or colours. */
const plain = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll('\t', '  ')
    .replace(/\p{Cc}/gu, '');
