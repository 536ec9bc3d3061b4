import type { BuildMessage } from '@slipway/client';

type Vertex = Extract<BuildMessage, { kind: 'vertex' }>;

/** A step as it is shown. */
export interface Step {
  readonly number: number;
  vertex: Vertex;
  /** Its output so far, whole lines; the last of them where there are very many. */
  readonly log: string[];
  /** What has no end of line yet. */
  rest: string;
  readonly decoder: TextDecoder;
}

const LOG_LINES = 2000;

/** The steps of a build in the order in which they were first heard of. */
export class Steps {
  readonly #steps = new Map<string, Step>();

  take(vertex: Vertex): Step {
    const known = this.#steps.get(vertex.digest);
    if (known !== undefined) {
      known.vertex = vertex;
      return known;
    }
    const step: Step = {
      number: this.#steps.size + 1,
      vertex,
      log: [],
      rest: '',
      decoder: new TextDecoder(),
    };
    this.#steps.set(vertex.digest, step);
    return step;
  }

  find(digest: string): Step | undefined {
    return this.#steps.get(digest);
  }

  list(): Step[] {
    return [...this.#steps.values()];
  }

  /** The lines that are whole now. A line that writes over itself is its last form. */
  addLog({ digest, data }: Extract<BuildMessage, { kind: 'log' }>): readonly string[] {
    const step = this.#steps.get(digest);
    if (step === undefined) return [];
    const text = step.rest + step.decoder.decode(Buffer.from(data, 'base64'), { stream: true });
    const lines = text.split('\n');
    step.rest = lines.pop() ?? '';
    const whole = lines.map((line) => line.replace(/\r$/, '').replace(/^.*\r/, ''));
    step.log.push(...whole);
    if (step.log.length > LOG_LINES) step.log.splice(0, step.log.length - LOG_LINES);
    return whole;
  }

  /** The output of the step that failed, under its title. */
  failure(): string {
    const failed = this.list().find(({ vertex }) => vertex.error !== undefined);
    if (failed === undefined) return '';
    const lines = [...failed.log, ...(failed.rest === '' ? [] : [failed.rest])];
    return ['------', ` > ${failed.vertex.title}:`, ...lines, '------', ''].join('\n');
  }
}

/** `1.2s` */
export const formatSeconds = (ms: number): string => `${(Math.max(0, ms) / 1000).toFixed(1)}s`;

/** How long a step has taken, up to now where it still runs. */
export const stepMs = ({ startedAtMs, completedAtMs }: Vertex, nowMs: number): number =>
  startedAtMs === undefined ? 0 : (completedAtMs ?? nowMs) - startedAtMs;
