/** A chunk of a step's output. */
export interface StepOutput {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

interface Watcher {
  readonly onStart: (atMs: number) => void;
  readonly onOutput: (output: StepOutput) => void;
}

/** What a step's work is given. */
export interface StepControl extends Watcher {
  readonly signal: AbortSignal;
}

interface SharedStep<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly watchers: Set<Watcher>;
  startedAtMs: number | undefined;
  /** The output so far, for who comes later; the oldest goes when it is too much. */
  readonly output: StepOutput[];
  outputBytes: number;
}

const KEPT_OUTPUT_BYTES = 1 << 20;

/** Steps at work: whoever wants one that is under way shares it, and it is stopped when nobody wants it any more. */
export class SharedSteps<T> {
  readonly #steps = new Map<string, SharedStep<T>>();
  readonly #ending = new Set<Promise<unknown>>();

  /**
   * The result of `work`, which is begun when no step with this key is under way.
   * @throws the signal's reason once it aborts, at once, also when others go on with the step
   */
  async run(key: string, watcher: StepControl, work: (step: StepControl) => Promise<T>): Promise<T> {
    const { signal } = watcher;
    signal.throwIfAborted();
    const step = this.#steps.get(key) ?? this.#begin(key, work);
    if (step.startedAtMs !== undefined) watcher.onStart(step.startedAtMs);
    for (const output of step.output) watcher.onOutput(output);
    step.watchers.add(watcher);
    const left = Promise.withResolvers<never>();
    const leave = () => {
      step.watchers.delete(watcher);
      if (step.watchers.size === 0) {
        if (this.#steps.get(key) === step) this.#steps.delete(key);
        step.controller.abort(signal.reason);
        // Nothing of it stays when the last one is told.
        step.result.then(
          () => left.reject(signal.reason),
          () => left.reject(signal.reason),
        );
        return;
      }
      left.reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    left.promise.catch(() => {});
    try {
      return await Promise.race([step.result, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
      step.watchers.delete(watcher);
    }
  }

  /** Resolves when no step is at work. */
  async idle(): Promise<void> {
    while (this.#ending.size > 0) await Promise.allSettled([...this.#ending]);
  }

  #begin(key: string, work: (step: StepControl) => Promise<T>): SharedStep<T> {
    const controller = new AbortController();
    const watchers = new Set<Watcher>();
    const begun = Promise.withResolvers<SharedStep<T>>();
    const result = begun.promise.then((step) =>
      work({
        signal: controller.signal,
        onStart: (atMs) => {
          step.startedAtMs = atMs;
          for (const watcher of watchers) watcher.onStart(atMs);
        },
        onOutput: (output) => keep(step, output),
      }),
    );
    const step: SharedStep<T> = {
      result,
      controller,
      watchers,
      startedAtMs: undefined,
      output: [],
      outputBytes: 0,
    };
    this.#steps.set(key, step);
    const ended = result
      .catch(() => {})
      .finally(() => {
        if (this.#steps.get(key) === step) this.#steps.delete(key);
        this.#ending.delete(ended);
      });
    this.#ending.add(ended);
    begun.resolve(step);
    return step;
  }
}

function keep<T>(step: SharedStep<T>, output: StepOutput): void {
  step.output.push(output);
  step.outputBytes += output.bytes.byteLength;
  while (step.outputBytes > KEPT_OUTPUT_BYTES && step.output.length > 1) {
    step.outputBytes -= (step.output.shift() as StepOutput).bytes.byteLength;
  }
  for (const watcher of step.watchers) watcher.onOutput(output);
}
