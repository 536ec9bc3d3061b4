import { type Clock, isSlipwayError, type Logger } from '@slipway/base';
import { KEEPER } from '@slipway/distribution/server';
import type { ManifestDescription, Registry } from '../../registry/index.ts';
import type { EcrRecord, EcrRecords, RepositoryKey } from '../records.ts';
import { type ExpiredImage, evaluate } from './evaluate.ts';
import { type LifecyclePolicy, parseLifecyclePolicy } from './policy.ts';

const INTERVAL_MS = 3600 * 1000;
/** A policy that was put by mistake can be taken back, and the answer reaches its client before images go. */
const SOON_MS = 1000;

export interface LifecycleKeeperOptions {
  readonly registry: Registry;
  readonly records: EcrRecords;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Applies the lifecycle policies, each hour and a moment after one was put. */
export class LifecycleKeeper implements AsyncDisposable {
  readonly #options: LifecycleKeeperOptions;
  readonly #timer: Disposable;
  #soon: Disposable | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: LifecycleKeeperOptions) {
    this.#options = options;
    this.#timer = options.clock.interval(INTERVAL_MS, () => void this.applyAll());
  }

  /** Has the policies applied in a moment. */
  applySoon(): void {
    this.#soon?.[Symbol.dispose]();
    this.#soon = this.#options.clock.timer(SOON_MS, () => void this.applyAll());
  }

  /** Resolves when every policy was applied once more; what fails is logged. */
  applyAll(): Promise<void> {
    this.#running = (this.#running ?? Promise.resolve()).then(() => this.#applyAll());
    return this.#running;
  }

  /** What a policy would let go now. @throws NotFound */
  async preview(policy: LifecyclePolicy, name: string): Promise<ExpiredImage<ManifestDescription>[]> {
    const { registry, clock } = this.#options;
    return evaluate(policy, await registry.describeManifests(name), clock.nowMs());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer[Symbol.dispose]();
    this.#soon?.[Symbol.dispose]();
    await this.#running;
  }

  async #applyAll(): Promise<void> {
    const { records, logger } = this.#options;
    for (const record of records.withLifecyclePolicy()) {
      if (this.#isClosed) return;
      try {
        await this.#apply(record);
      } catch (error) {
        logger.warn({ err: error, repository: record.name }, 'lifecycle policy not applied');
      }
    }
  }

  async #apply({ name, createdAtMs, lifecyclePolicy = '' }: EcrRecord): Promise<void> {
    const { registry, records, clock, logger } = this.#options;
    if (!(await this.#isPresent({ name, createdAtMs }))) return;
    for (const { image, rulePriority } of await this.preview(parseLifecyclePolicy(lifecyclePolicy), name)) {
      try {
        await registry.deleteManifest(name, image.digest, KEEPER);
      } catch (error) {
        // Somebody else removed it meanwhile.
        if (isSlipwayError(error, 'NotFound')) continue;
        throw error;
      }
      const { digest, tags } = image;
      logger.info({ repository: name, digest, tags, rulePriority }, 'image expired by its lifecycle policy');
    }
    records.update({ name, createdAtMs }, { lifecycleEvaluatedAtMs: clock.nowMs() });
  }

  /** A repository of the same name that was made later has no policy until it is given one. */
  async #isPresent({ name, createdAtMs }: RepositoryKey): Promise<boolean> {
    const { registry, records } = this.#options;
    try {
      if ((await registry.describeRepository(name)).createdAtMs === createdAtMs) return true;
    } catch (error) {
      if (!isSlipwayError(error, 'NotFound')) throw error;
    }
    records.delete(name);
    return false;
  }
}
