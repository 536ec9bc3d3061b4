import { Worker } from 'node:worker_threads';
import { type Clock, SlipwayError } from '@slipway/base';
import {
  type AppliedLayer,
  CONTROL_BYTES,
  CONTROL_READ,
  CONTROL_STOP,
  type LayerJob,
} from './apply-layer.ts';
import type { WorkerReply } from './unpack-worker.ts';

export interface LayerRequest extends Omit<LayerJob, 'control'> {
  readonly signal?: AbortSignal | undefined;
  /** Told when a thread takes it up. */
  readonly onStart?: (() => void) | undefined;
  /** Told now and then how many bytes of the blob were read. */
  readonly onProgress?: ((readBytes: number) => void) | undefined;
}

/** Whoever loads or pulls one image often goes on to the next, and a new thread has all its code to compile again. */
const IDLE_MS = 6_000;
const PROGRESS_MS = 100;

/** Threads that unpack layers. They start when there is work and end soon after, so an idle daemon has none. */
export class UnpackPool implements AsyncDisposable {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #idle: { worker: Worker; timer: Disposable }[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(options: { limit: number; clock: Clock }) {
    this.#limit = options.limit;
    this.#clock = options.clock;
  }

  /** @throws what `applyLayer` throws */
  async apply({ signal, onStart, onProgress, ...job }: LayerRequest): Promise<AppliedLayer> {
    await this.#enter(signal);
    try {
      if (signal?.aborted) throw canceled(signal);
      onStart?.();
      return await this.#run(this.#takeWorker(), job, signal, onProgress);
    } finally {
      this.#busy--;
      this.#waiting.shift()?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const idle = this.#idle.splice(0);
    for (const { timer } of idle) timer[Symbol.dispose]();
    await Promise.all(idle.map(({ worker }) => worker.terminate()));
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    while (this.#busy >= this.#limit) {
      if (signal?.aborted) throw canceled(signal);
      const turn = Promise.withResolvers<void>();
      const onAbort = () => {
        const at = this.#waiting.indexOf(turn.resolve);
        // Whoever was called already and does not come passes the turn on.
        if (at === -1) this.#waiting.shift()?.();
        else this.#waiting.splice(at, 1);
        turn.reject(canceled(signal as AbortSignal));
      };
      this.#waiting.push(turn.resolve);
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        await turn.promise;
      } finally {
        signal?.removeEventListener('abort', onAbort);
      }
    }
    this.#busy++;
  }

  #takeWorker(): Worker {
    const idle = this.#idle.pop();
    idle?.timer[Symbol.dispose]();
    const worker =
      idle?.worker ??
      new Worker(new URL('./unpack-worker.ts', import.meta.url), { trackUnmanagedFds: false });
    worker.ref();
    return worker;
  }

  #keep(worker: Worker): void {
    worker.unref();
    const entry = {
      worker,
      timer: this.#clock.timer(IDLE_MS, () => {
        this.#idle.splice(this.#idle.indexOf(entry), 1);
        void worker.terminate();
      }),
    };
    this.#idle.push(entry);
  }

  async #run(
    worker: Worker,
    job: Omit<LayerJob, 'control'>,
    signal: AbortSignal | undefined,
    onProgress: ((readBytes: number) => void) | undefined,
  ): Promise<AppliedLayer> {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const cells = new BigInt64Array(control);
    const settled = Promise.withResolvers<AppliedLayer>();
    let isAlive = true;
    const onMessage = (reply: WorkerReply) => {
      if ('applied' in reply) settled.resolve(reply.applied);
      else {
        const { code, message, reason, cause } = reply.failure;
        settled.reject(
          new SlipwayError(code, message, { cause, ...(reason === undefined ? {} : { reason }) }),
        );
      }
    };
    const onEnd = (cause: unknown) => {
      isAlive = false;
      settled.reject(new SlipwayError('Internal', 'the thread that unpacks layers ended', { cause }));
    };
    const onAbort = () => {
      // The thread is asked, not ended: only it can close what it has open.
      Atomics.store(cells, CONTROL_STOP, 1n);
    };
    const report = () => onProgress?.(Number(Atomics.load(cells, CONTROL_READ)));
    worker.on('message', onMessage).on('error', onEnd).on('exit', onEnd);
    signal?.addEventListener('abort', onAbort, { once: true });
    using _reports = onProgress === undefined ? undefined : this.#clock.interval(PROGRESS_MS, report);
    try {
      worker.postMessage({ ...job, control } satisfies LayerJob);
      const applied = await settled.promise;
      report();
      return applied;
    } finally {
      worker.off('message', onMessage).off('error', onEnd).off('exit', onEnd);
      signal?.removeEventListener('abort', onAbort);
      if (isAlive) this.#keep(worker);
    }
  }
}

const canceled = (signal: AbortSignal) =>
  new SlipwayError('Canceled', 'unpacking was canceled', { cause: signal.reason });
