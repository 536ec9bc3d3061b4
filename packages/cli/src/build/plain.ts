import type { BuildMessage } from '@slipway/client';
import { formatSize } from '../format/units.ts';
import type { BuildProgress } from './progress.ts';
import { formatSeconds, type Step, Steps, stepMs } from './step.ts';

/** Lines that each say which step they are of: `#3 [2/4] RUN make`, `#3 0.5 output`, `#3 DONE 1.2s`. */
export class PlainProgress implements BuildProgress {
  readonly #out: NodeJS.WriteStream;
  readonly #steps = new Steps();
  readonly #told = new Set<string>();
  #last: Step | undefined;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  take(message: BuildMessage): void {
    if (message.kind === 'log') {
      const step = this.#steps.find(message.digest);
      const lines = this.#steps.addLog(message);
      if (step === undefined || lines.length === 0) return;
      this.#turnTo(step);
      const at = ((message.atMs - (step.vertex.startedAtMs ?? message.atMs)) / 1000).toFixed(3);
      for (const line of lines) this.#out.write(`#${step.number} ${at} ${line}\n`);
    }
    if (message.kind === 'progress' && message.completedAtMs !== undefined) {
      const step = this.#steps.find(message.digest);
      if (step === undefined) return;
      this.#turnTo(step);
      this.#out.write(`#${step.number} ${message.name} ${formatSize(message.currentBytes)}\n`);
    }
    if (message.kind !== 'vertex') return;
    const { startedAtMs, completedAtMs, cached, error, digest } = message;
    if (startedAtMs === undefined && completedAtMs === undefined && !cached) return;
    const step = this.#steps.take(message);
    this.#turnTo(step);
    if (completedAtMs === undefined && !cached && error === undefined) return;
    if (this.#told.has(digest)) return;
    this.#told.add(digest);
    if (step.rest !== '') this.#out.write(`#${step.number} ${step.rest}\n`);
    const end = cached ? 'CACHED' : `DONE ${formatSeconds(stepMs(message, completedAtMs ?? 0))}`;
    this.#out.write(`#${step.number} ${error === undefined ? end : `ERROR: ${error}`}\n`);
    this.#last = undefined;
  }

  failure(): string {
    return this.#steps.failure();
  }

  /** Says which step the lines that follow are of, when it was another before. */
  #turnTo(step: Step): void {
    if (this.#last === step) return;
    const isNew = !this.#told.has(`title ${step.vertex.digest}`);
    if (this.#last !== undefined || isNew) this.#out.write('\n');
    if (isNew || this.#last !== undefined) this.#out.write(`#${step.number} ${step.vertex.title}\n`);
    this.#told.add(`title ${step.vertex.digest}`);
    this.#last = step;
  }

  [Symbol.dispose](): void {}
}
