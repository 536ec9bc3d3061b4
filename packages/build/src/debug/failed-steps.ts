import { type Clock, isSlipwayError, type Random, SlipwayError } from '@slipway/base';
import type { Lease, Store } from '@slipway/store';
import type { RunOperation } from '../graph.ts';
import { type Input, layersAsInput, topChainId } from '../input.ts';
import type { FailedStepInfo } from '../solver.ts';

/** How many are kept; the oldest goes when there is one more. */
const MAX_KEPT = 4;

/** A RUN that failed, and what it left. */
export interface FailedStep {
  readonly id: string;
  readonly title: string;
  readonly operation: RunOperation;
  readonly inputs: readonly Input[];
  /** What it had written. */
  readonly snapshotKey: string;
  readonly failedAtMs: number;
}

interface Kept extends FailedStep {
  /** Of what its mounts show. */
  readonly lease: Lease;
  isOpen: boolean;
  lastExitCode: number | undefined;
}

/** What is thrown for a step that failed and was kept. */
export class FailedStepError extends SlipwayError {
  /** @see FailedSteps */
  readonly stepId: string;

  constructor(failure: SlipwayError, stepId: string) {
    const { code, message, reason } = failure;
    super(code, message, { cause: failure, ...(reason === undefined ? {} : { reason }) });
    this.stepId = stepId;
  }
}

/** The file systems of the last steps that failed, to be looked into. They live as long as the process. */
export class FailedSteps implements AsyncDisposable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #random: Random;
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>();

  constructor({ store, clock, random }: { store: Store; clock: Clock; random: Random }) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  /** Takes over a step's snapshot. Its inputs are the solve's, so what a mount shows of them is held here. */
  async keep(step: Pick<FailedStep, 'title' | 'operation' | 'inputs' | 'snapshotKey'>): Promise<FailedStep> {
    const lease = this.#store.leases.acquire();
    const inputs = await Promise.all(
      step.inputs.map(async (input) => {
        if (input.kind === 'folder') return input;
        const layers = await input.layers(new AbortController().signal);
        const top = topChainId(layers);
        lease.add({ snapshots: top === undefined ? [] : [top] });
        return layersAsInput(layers);
      }),
    );
    const id = this.#random.hex(12);
    const failedAtMs = this.#clock.nowMs();
    const kept = { ...step, id, inputs, failedAtMs, lease, isOpen: false, lastExitCode: undefined };
    this.#kept.set(id, kept);
    for (const { id: oldest, isOpen } of [...this.#kept.values()].slice(0, -MAX_KEPT)) {
      if (!isOpen) await this.remove(oldest);
    }
    return kept;
  }

  /** The newest first. */
  async list(): Promise<FailedStepInfo[]> {
    const infos: FailedStepInfo[] = [];
    for (const { id, title, failedAtMs, snapshotKey, isOpen, lastExitCode } of this.#kept.values()) {
      const { sizeBytes } = await this.#store.snapshots.usage(snapshotKey);
      infos.push({ id, title, failedAtMs, sizeBytes, isOpen, lastExitCode });
    }
    return infos.reverse();
  }

  has(id: string): boolean {
    return this.#kept.has(id);
  }

  /** For one session; what is called with its exit code gives it back. @throws NotFound; Conflict when one is open */
  take(id: string): { readonly step: FailedStep; readonly giveBack: (exitCode: number | undefined) => void } {
    const step = this.#get(id);
    if (step.isOpen) throw isOpenElsewhere(id);
    step.isOpen = true;
    const giveBack = (exitCode: number | undefined) => {
      step.isOpen = false;
      step.lastExitCode = exitCode;
    };
    return { step, giveBack };
  }

  /** @throws NotFound; Conflict while a session is open */
  async remove(id: string): Promise<void> {
    const step = this.#get(id);
    if (step.isOpen) throw isOpenElsewhere(id);
    this.#kept.delete(id);
    try {
      await this.#store.snapshots.remove(step.snapshotKey);
    } catch (error) {
      if (!isSlipwayError(error, 'NotFound')) throw error;
    }
    await step.lease[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id, isOpen } of [...this.#kept.values()]) if (!isOpen) await this.remove(id);
  }

  #get(id: string): Kept {
    const step = this.#kept.get(id);
    if (step !== undefined) return step;
    throw new SlipwayError(
      'NotFound',
      `no failed step ${id}: only the last ${MAX_KEPT} are kept, until they are left or pruned`,
    );
  }
}

const isOpenElsewhere = (id: string) =>
  new SlipwayError('Conflict', `somebody is in the failed step ${id}: wait until they have left it`);
