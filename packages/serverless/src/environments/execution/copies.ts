import { SlipwayError } from '@slipway/base';
import { type ExecutionContext, type Instance, startInstance } from './instance.ts';
import type { Plan } from './plan.ts';

const MAX_COPIES = 16;
/** Of somebody who forgot that it is there. */
const LIFE_MS = 8 * 3_600_000;

/** Sandboxes like those of functions, for people to look around in: what waits in them waits for good. */
export class EnvironmentCopies implements AsyncDisposable {
  readonly #context: ExecutionContext;
  readonly #open = new Set<Instance>();

  constructor(context: ExecutionContext) {
    this.#context = context;
  }

  /** @returns the container's id. @throws ResourceExhausted */
  async open(plan: Plan): Promise<string> {
    if (this.#open.size >= MAX_COPIES) {
      throw new SlipwayError(
        'ResourceExhausted',
        `there are ${MAX_COPIES} copies of environments already: remove some (docker ps --filter label=slipway.function)`,
      );
    }
    const copy = await startInstance(this.#context, plan, {
      gated: true,
      output: { write: () => undefined },
    });
    this.#open.add(copy);
    const life = this.#context.clock.timer(LIFE_MS, () => void this.#end(copy));
    void copy.sandbox.exited.then(() => {
      life[Symbol.dispose]();
      return this.#end(copy);
    });
    return copy.sandbox.id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map((copy) => this.#end(copy)));
  }

  async #end(copy: Instance): Promise<void> {
    if (this.#open.delete(copy)) await copy[Symbol.asyncDispose]();
  }
}
