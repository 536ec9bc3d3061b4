import { Worker } from 'node:worker_threads';
import { type Deferred, SlipwayError } from '@slipway/base';
import type { Operations, WorkerAnswer, WorkerRequest } from './worker.ts';

/** The kernel's namespaces and links, one operation after another, off the main thread. */
export class Kernel implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Deferred<unknown>>();
  #lastId = 0;
  #failure: unknown;

  constructor() {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'slipway-network',
      resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: WorkerAnswer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the network thread ended')));
  }

  /** @throws Internal with the errno's name as `reason`. */
  async run<Name extends keyof Operations>(
    operation: Name,
    ...parameters: Parameters<Operations[Name]>
  ): Promise<ReturnType<Operations[Name]>> {
    if (this.#failure !== undefined) throw unavailable(this.#failure);
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    if (this.#waiting.size === 1) this.#worker.ref();
    this.#worker.postMessage({ id, operation, parameters } satisfies WorkerRequest);
    return (await answer.promise) as ReturnType<Operations[Name]>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('value' in answer) waiting?.resolve(answer.value);
    else {
      const { message, reason } = answer.failure;
      waiting?.reject(new SlipwayError('Internal', message, reason === undefined ? {} : { reason }));
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(unavailable(error));
    this.#waiting.clear();
  }
}

const unavailable = (cause: unknown): SlipwayError =>
  new SlipwayError('Unavailable', 'the network thread is gone; restart the daemon', { cause });
