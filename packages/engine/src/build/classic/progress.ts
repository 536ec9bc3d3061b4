import type { ProgressMessage } from '@slipway/api/docker';
import { shortId } from '@slipway/base';
import { type BuildEvent, type DockerfilePlan, type PlannedStep, vertexDigest } from '@slipway/build';
import { computeDigest, type Digest } from '@slipway/oci';

type Report = (message: ProgressMessage) => void;

/** What is known of a vertex so far. */
interface VertexState {
  readonly started: boolean;
  readonly completed: boolean;
  readonly cached: boolean;
  /** Output that came before the step's turn. */
  readonly waiting: Uint8Array[];
}

const NOT_BEGUN: VertexState = { started: false, completed: false, cached: false, waiting: [] };
const NOTHING_SAID = { step: false, running: false };

/**
 * Tells a build as docker's classic builder does: one step after the other, although they run side by side. Output of a
 * later step waits for its turn.
 */
export class ClassicProgress {
  readonly #report: Report;
  readonly #steps: readonly PlannedStep[];
  readonly #digests: readonly (Digest | undefined)[];
  readonly #vertices = new Map<Digest, VertexState>();
  readonly #decoders = new Map<Digest, TextDecoder>();
  #at = 0;
  /** What was said of the step whose turn it is. */
  #said = NOTHING_SAID;
  /** Whether the last step with files was; those that only configure go with it. */
  #isCached = false;

  constructor(plan: Pick<DockerfilePlan, 'stages'>, report: Report) {
    this.#report = report;
    this.#steps = plan.stages.flatMap(({ steps }) => steps);
    this.#digests = this.#steps.map(({ vertex }) =>
      vertex === undefined ? undefined : vertexDigest(vertex),
    );
    this.#advance();
  }

  take(event: BuildEvent): void {
    if (event.kind === 'progress') return;
    const before = this.#vertices.get(event.digest) ?? { ...NOT_BEGUN, waiting: [] };
    if (event.kind === 'log') {
      if (this.#digests[this.#at] === event.digest) this.#write(event.digest, event.bytes);
      else before.waiting.push(event.bytes);
      this.#vertices.set(event.digest, before);
      return;
    }
    this.#vertices.set(event.digest, {
      ...before,
      started: event.startedAtMs !== undefined,
      completed: event.completedAtMs !== undefined && event.error === undefined,
      cached: event.cached,
    });
    this.#advance();
  }

  /** The steps that are left, and the image they came to. */
  finish(imageId: string): void {
    for (const digest of this.#digests) {
      if (digest === undefined) continue;
      const state = this.#vertices.get(digest);
      // A vertex below a cached one is not looked at, and no event tells of it.
      this.#vertices.set(digest, {
        waiting: state?.waiting ?? [],
        started: true,
        completed: true,
        cached: state?.completed !== true || state.cached,
      });
    }
    this.#advance(imageId);
  }

  get counts(): { readonly total: number; readonly cached: number } {
    const digests = this.#digests.filter((digest) => digest !== undefined);
    return {
      total: digests.length,
      cached: digests.filter((digest) => this.#vertices.get(digest)?.cached === true).length,
    };
  }

  /** After a failure: the output that waited for its turn, the failed step's among it. */
  flush(): void {
    for (; this.#at < this.#steps.length; this.#at++) {
      const digest = this.#digests[this.#at];
      const waiting = digest === undefined ? undefined : this.#vertices.get(digest)?.waiting.splice(0);
      if (digest === undefined || waiting === undefined || waiting.length === 0) continue;
      this.#announce();
      for (const bytes of waiting) this.#write(digest, bytes);
      this.#said = NOTHING_SAID;
    }
  }

  #advance(imageId?: string): void {
    for (; this.#at < this.#steps.length; this.#at++) {
      const digest = this.#digests[this.#at];
      this.#announce();
      if (digest !== undefined) {
        const state = this.#vertices.get(digest) ?? NOT_BEGUN;
        if (state.started && !state.completed && !state.cached) this.#sayRunning();
        for (const bytes of state.waiting.splice(0)) this.#write(digest, bytes);
        if (!state.completed) return;
        const isFrom = /^\s*FROM\s/i.test(this.#steps[this.#at]?.original ?? '');
        this.#isCached = state.cached && !isFrom;
      }
      const isLast = this.#at === this.#steps.length - 1;
      if (isLast && imageId === undefined) return;
      if (this.#isCached) this.#say(' ---> Using cache\n');
      this.#say(` ---> ${shortId(isLast && imageId !== undefined ? imageId : this.#idOf(this.#at))}\n`);
      this.#said = NOTHING_SAID;
    }
  }

  #announce(): void {
    if (this.#said.step) return;
    this.#said = { ...this.#said, step: true };
    const { original } = this.#steps[this.#at] as PlannedStep;
    this.#say(`Step ${this.#at + 1}/${this.#steps.length} : ${original}\n`);
  }

  #sayRunning(): void {
    const isRun = /^\s*RUN\s/i.test(this.#steps[this.#at]?.original ?? '');
    if (this.#said.running || !isRun) return;
    this.#said = { ...this.#said, running: true };
    this.#say(` ---> Running in ${shortId(this.#idOf(this.#at))}\n`);
  }

  /** Steps have no images of their own: a name that stays the same while the steps up to it do. */
  #idOf(index: number): string {
    const above = this.#steps.slice(0, index + 1).map(({ original }, at) => this.#digests[at] ?? original);
    return computeDigest(JSON.stringify(above));
  }

  #write(digest: Digest, bytes: Uint8Array): void {
    let decoder = this.#decoders.get(digest);
    if (decoder === undefined) {
      decoder = new TextDecoder();
      this.#decoders.set(digest, decoder);
    }
    this.#sayRunning();
    const text = decoder.decode(bytes, { stream: true });
    if (text !== '') this.#say(text);
  }

  #say(stream: string): void {
    this.#report({ stream });
  }
}

const STEP_FAILURE = /^(?:.*?)process "([\s\S]*)" did not complete successfully: exit code: (\d+)/;

/** A failed step as the classic builder says it; its exit code becomes the client's. */
export function classicError(error: unknown): {
  readonly message: string;
  readonly code: number | undefined;
} {
  const message = error instanceof Error ? error.message : String(error);
  const [, command, code] = STEP_FAILURE.exec(message) ?? [];
  if (command === undefined) return { message: classicWords(message), code: undefined };
  return {
    message: `The command '${command}' returned a non-zero code: ${code}`,
    code: Number(code),
  };
}

const MISSING_SOURCE = /^failed to compute cache key: (?:.*: )?"\/?(.+?)": not found/;

const classicWords = (message: string): string =>
  message.replace(
    MISSING_SOURCE,
    (_, path: string) =>
      `COPY failed: file not found in build context or excluded by .dockerignore: stat ${path}: file does not exist`,
  );

/** As the stream's last line. */
export function errorMessageOf(error: unknown): ProgressMessage {
  const { message, code } = classicError(error);
  return { errorDetail: { ...(code === undefined ? {} : { code }), message }, error: message };
}
