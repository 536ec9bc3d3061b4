import { errorMessage } from '@slipway/base';
import { findRuntime, type RuntimeDefinition } from '../runtimes/runtime.ts';
import { type ExecutionContext, type Instance, prepareInstance } from './instance.ts';

/** While sandboxes are being taken, the processor is for those who took them. */
const REFILL_AFTER_MS = 250;
/** After one could not be made. */
const RETRY_AFTER_MS = 10_000;

interface Shelf {
  readonly runtime: RuntimeDefinition;
  wanted: number;
  readonly ready: Instance[];
  making: Promise<void> | undefined;
  timer: Disposable | undefined;
}

export interface PreparedPoolOptions {
  readonly context: ExecutionContext;
  /** Makes the runtime's image, should it not be there. */
  readonly ensureImage: (runtime: RuntimeDefinition) => Promise<unknown>;
}

/** Sandboxes that wait for a function, for each runtime as many as were asked for. */
export class PreparedPool implements AsyncDisposable {
  readonly #options: PreparedPoolOptions;
  readonly #shelves = new Map<string, Shelf>();
  #isClosed = false;

  constructor(options: PreparedPoolOptions) {
    this.#options = options;
  }

  set(runtimeName: string, wanted: number): void {
    const runtime = findRuntime(runtimeName);
    if (runtime === undefined || this.#isClosed) return;
    const shelf = this.#shelf(runtime);
    if (shelf.wanted === wanted) return;
    shelf.wanted = wanted;
    for (const surplus of shelf.ready.splice(wanted)) void this.#discard(surplus);
    this.#refill(shelf, 0);
  }

  /** One that nobody had before, or undefined. */
  take(runtime: RuntimeDefinition): Instance | undefined {
    const shelf = this.#shelves.get(runtime.name);
    const instance = shelf?.ready.shift();
    if (shelf !== undefined && instance !== undefined) this.#refill(shelf, REFILL_AFTER_MS);
    return instance;
  }

  /** How many wait. */
  count(runtimeName: string): number {
    return this.#shelves.get(runtimeName)?.ready.length ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const shelf of this.#shelves.values()) {
      shelf.wanted = 0;
      shelf.timer?.[Symbol.dispose]();
      await shelf.making;
      await Promise.all(shelf.ready.splice(0).map((instance) => this.#discard(instance)));
    }
  }

  #shelf(runtime: RuntimeDefinition): Shelf {
    const known = this.#shelves.get(runtime.name);
    if (known !== undefined) return known;
    const shelf: Shelf = { runtime, wanted: 0, ready: [], making: undefined, timer: undefined };
    this.#shelves.set(runtime.name, shelf);
    return shelf;
  }

  /** After a moment in which none was taken. */
  #refill(shelf: Shelf, afterMs: number): void {
    shelf.timer?.[Symbol.dispose]();
    shelf.timer = undefined;
    if (this.#isClosed || shelf.making !== undefined || shelf.ready.length >= shelf.wanted) return;
    shelf.timer = this.#options.context.clock.timer(afterMs, () => {
      shelf.timer = undefined;
      shelf.making = this.#fill(shelf).then((ok) => {
        shelf.making = undefined;
        this.#refill(shelf, ok ? REFILL_AFTER_MS : RETRY_AFTER_MS);
      });
    });
  }

  /** One after another: they are not urgent. */
  async #fill(shelf: Shelf): Promise<boolean> {
    const { context, ensureImage } = this.#options;
    try {
      await ensureImage(shelf.runtime);
      while (shelf.ready.length < shelf.wanted && !this.#isClosed) {
        const instance = await prepareInstance(context, shelf.runtime);
        shelf.ready.push(instance);
        void instance.sandbox.exited.then(() => this.#lost(shelf, instance));
      }
      return true;
    } catch (error) {
      if (!this.#isClosed) {
        context.logger.warn(
          { error: errorMessage(error), runtime: shelf.runtime.name },
          'an environment could not be prepared',
        );
      }
      return false;
    }
  }

  #lost(shelf: Shelf, instance: Instance): void {
    const place = shelf.ready.indexOf(instance);
    if (place < 0) return;
    shelf.ready.splice(place, 1);
    void this.#discard(instance);
    this.#refill(shelf, RETRY_AFTER_MS);
  }

  async #discard(instance: Instance): Promise<void> {
    try {
      await instance[Symbol.asyncDispose]();
    } catch (error) {
      this.#options.context.logger.warn(
        { error: errorMessage(error) },
        'a prepared environment was not removed',
      );
    }
  }
}
