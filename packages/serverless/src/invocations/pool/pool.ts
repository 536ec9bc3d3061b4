import { type Clock, errorMessage, type Logger, SlipwayError } from '@slipway/base';
import { awsError } from '../../aws/index.ts';
import type { DebugOptions, Environment, Environments } from '../../environments/index.ts';
import type { FunctionCatalog, FunctionVersion, ProvisionedConcurrency } from '../../functions/index.ts';
import { type QueueLimits, refusal, type ThrottleReason } from './admission.ts';
import { Lane, laneKey, type Slot, type Waiter } from './lane.ts';
import { type PreparedLimits, preparedCount } from './prepared.ts';
import { provisionedStatuses, retryDelayMs } from './provisioned.ts';
import { type CloseReason, type Decision, type PoolLimits, plan } from './scaling.ts';

export interface PoolSettings extends PoolLimits, QueueLimits, PreparedLimits {
  /** While the host is full, an invocation waits so long for an environment before it is refused. */
  readonly maxWaitMs: number;
}

export interface PoolOptions {
  readonly environments: Environments;
  readonly catalog: FunctionCatalog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: PoolSettings;
}

/** An environment that is one invocation's until it is released. */
export interface Lease {
  readonly environment: Environment;
  /** Whether this is the first invocation of an environment that was started on demand. */
  readonly isCold: boolean;
  readonly isProvisioned: boolean;
  /** Once, when the invocation has ended. What is `spent` is ended; the rest waits for the next invocation. */
  release(state: 'usable' | 'spent'): void;
}

/** How the environments of a function stand. */
export interface PoolCounts {
  readonly busy: number;
  readonly idle: number;
  readonly starting: number;
  readonly waiting: number;
  readonly provisioned: number;
}

/** Start times of a runtime that are remembered, for how many are prepared. */
const REMEMBERED_STARTS = 32;

/**
 * The environments of all functions. Whoever invokes acquires one: an idle one, or one that is started for it, or the first
 * that becomes free. How many there are, and whose, `scaling.ts` decides.
 */
export class Pool implements AsyncDisposable {
  readonly #environments: Environments;
  readonly #catalog: FunctionCatalog;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #settings: PoolSettings;
  readonly #lanes = new Map<string, Lane>();
  /** Admitted and not ended, by function. */
  readonly #inFlight = new Map<string, number>();
  #unreservedInFlight = 0;
  #waiting = 0;
  readonly #closing = new Map<Slot, Promise<void>>();
  readonly #openings = new Set<Promise<void>>();
  readonly #starts = new Map<string, number[]>();
  readonly #prepared = new Map<string, number>();
  readonly #statuses = new Map<string, string>();
  #yields = new Map<string, number>();
  #timer: { readonly atMs: number; readonly handle: Disposable } | undefined;
  #isPlanned = false;
  readonly #end = new AbortController();
  readonly #subscription: Disposable;
  #disposed: Promise<void> | undefined;

  constructor({ environments, catalog, clock, logger, settings }: PoolOptions) {
    this.#environments = environments;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#logger = logger;
    this.#settings = settings;
    this.#subscription = catalog.onChange((name) => this.#onChange(name));
    this.#readProvisioned();
  }

  /**
   * An environment of this version. The signal takes an invocation out of the queue; one that has an environment goes on.
   * @throws ResourceExhausted TooManyRequestsException with its `Reason`; what `Environments.open` throws; Unavailable once
   * the daemon ends
   */
  async acquire(
    version: FunctionVersion,
    options: { readonly debug?: DebugOptions | undefined; readonly signal: AbortSignal },
  ): Promise<Lease> {
    if (this.#end.signal.aborted) throw ending();
    const lane = this.#laneOf(version);
    let leave = ignore;
    try {
      leave = this.#admit(lane);
      const slot =
        options.debug === undefined
          ? (this.#takeIdle(lane) ?? (await this.#wait(lane, options.signal)))
          : await this.#openForDebugging(lane, options.debug);
      return this.#lease(slot, leave);
    } catch (error) {
      leave();
      this.#forget(lane);
      throw error;
    }
  }

  /**
   * Ends the environments of a function, so that its next invocation is a cold start; those that run end afterwards. Without a
   * name, of all functions, and nothing stays prepared. Resolves when the idle ones are gone.
   */
  async retire(functionName?: string): Promise<void> {
    const idle: Slot[] = [];
    for (const lane of this.#lanes.values()) {
      if (functionName !== undefined && lane.version.name !== functionName) continue;
      for (const slot of lane.busy) slot.isRetired = true;
      idle.push(...lane.idle);
    }
    for (const slot of idle) this.#discard(slot);
    if (functionName === undefined) {
      for (const runtime of this.#starts.keys()) this.#environments.setPrepared(runtime, 0);
      this.#starts.clear();
      this.#prepared.clear();
    }
    this.#schedule();
    await Promise.all(idle.map((slot) => this.#closing.get(slot)));
  }

  /** Invocations of a function that were admitted and have not ended. */
  inFlight(functionName: string): number {
    return this.#inFlight.get(functionName) ?? 0;
  }

  counts(functionName?: string): PoolCounts {
    const counts = { busy: 0, idle: 0, starting: 0, waiting: 0, provisioned: 0 };
    for (const lane of this.#lanes.values()) {
      if (functionName !== undefined && lane.version.name !== functionName) continue;
      counts.busy += lane.busy.size;
      counts.idle += lane.idle.length;
      counts.starting += lane.opening;
      counts.waiting += lane.waiting.length;
      counts.provisioned += lane.available;
    }
    return counts;
  }

  /** Versions with provisioned environments that are ready, and how many. */
  provisioned(): { readonly version: FunctionVersion; readonly available: number }[] {
    return [...this.#lanes.values()]
      .map(({ version, available }) => ({ version, available }))
      .filter(({ available }) => available > 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    this.#subscription[Symbol.dispose]();
    this.#timer?.handle[Symbol.dispose]();
    this.#end.abort(ending());
    for (const lane of this.#lanes.values()) {
      for (const waiter of lane.waiting.splice(0)) waiter.refuse(ending());
      for (const slot of [...lane.idle, ...lane.busy]) this.#discard(slot);
    }
    await Promise.all(this.#openings);
    await Promise.all(this.#closing.values());
  }

  #laneOf(version: FunctionVersion): Lane {
    const key = laneKey(version);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key, version);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #forget(lane: Lane): void {
    // The end of an environment may be heard when its version has a lane again.
    if (lane.isEmpty && this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key);
  }

  /** Counts the invocation in. @throws ResourceExhausted TooManyRequestsException */
  #admit({ version: { name, memoryMb }, waiting }: Lane): () => void {
    const reserved = this.#catalog.reservedConcurrency(name);
    const inFlight = this.#inFlight.get(name) ?? 0;
    const { unreservedConcurrency: unreserved } = this.#catalog;
    const load = { inFlight, reserved, unreservedInFlight: this.#unreservedInFlight, unreserved };
    const reason = refusal({ ...load, waiting: waiting.length, allWaiting: this.#waiting }, this.#settings);
    if (reason !== undefined) throw throttled(reason);
    const { maxMemoryMb } = this.#settings;
    if (memoryMb > maxMemoryMb) {
      throw throttled(
        'ConcurrentInvocationLimitExceeded',
        `The function has ${memoryMb} MB, and this host gives all functions together ${maxMemoryMb} MB; raise --function-pool-memory or lower its MemorySize.`,
      );
    }
    this.#inFlight.set(name, inFlight + 1);
    if (reserved === undefined) this.#unreservedInFlight += 1;
    return () => {
      if (reserved === undefined) this.#unreservedInFlight -= 1;
      const left = (this.#inFlight.get(name) ?? 1) - 1;
      if (left === 0) this.#inFlight.delete(name);
      else this.#inFlight.set(name, left);
    };
  }

  #takeIdle(lane: Lane): Slot | undefined {
    const slot = lane.take();
    if (slot !== undefined) lane.busy.add(slot);
    return slot;
  }

  async #wait(lane: Lane, signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    const settle = () => {
      this.#waiting -= 1;
      signal.removeEventListener('abort', onAbort);
    };
    const waiter: Waiter = {
      sinceMs: this.#clock.monotonicMs(),
      give: (slot) => {
        settle();
        resolve(slot);
      },
      refuse: (error) => {
        settle();
        reject(error);
      },
    };
    const onAbort = () => {
      const at = lane.waiting.indexOf(waiter);
      if (at === -1) return;
      lane.waiting.splice(at, 1);
      waiter.refuse(signal.reason);
      this.#schedule();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    lane.waiting.push(waiter);
    this.#waiting += 1;
    this.#schedule();
    return await promise;
  }

  /** One of its own, which nobody else gets and which ends with the invocation. */
  async #openForDebugging(lane: Lane, debug: DebugOptions): Promise<Slot> {
    lane.opening += 1;
    const signal = this.#end.signal;
    const opened = this.#environments.open(lane.version, { initialization: 'on-demand', debug, signal });
    this.#track(opened.then(ignore, ignore));
    try {
      const slot = this.#adopt(lane, await opened, false);
      slot.isRetired = true;
      lane.busy.add(slot);
      return slot;
    } finally {
      lane.opening -= 1;
    }
  }

  #lease(slot: Slot, leave: () => void): Lease {
    const isCold = slot.invocations === 0 && !slot.isProvisioned;
    slot.invocations += 1;
    slot.isFrozen = false;
    return {
      environment: slot.environment,
      isCold,
      isProvisioned: slot.isProvisioned,
      release: (state) => {
        leave();
        if (state === 'spent') slot.isRetired = true;
        this.#onFree(slot);
      },
    };
  }

  /** An environment has nothing to do: the next invocation, the end, or a rest. */
  #onFree(slot: Slot): void {
    const { lane } = slot;
    lane.busy.delete(slot);
    if (slot.isRetired || lane.isStale || this.#hasToYield(slot)) {
      this.#discard(slot);
      return;
    }
    const waiter = lane.waiting.shift();
    if (waiter !== undefined) {
      lane.busy.add(slot);
      waiter.give(slot);
      return;
    }
    slot.idleSinceMs = this.#clock.monotonicMs();
    lane.idle.push(slot);
    if (this.#waiting > 0) this.#schedule();
    else this.#wakeAt(slot.idleSinceMs + this.#settings.freezeMs);
  }

  #hasToYield({ lane, isProvisioned }: Slot): boolean {
    if (isProvisioned || this.#yields.size === 0) return false;
    const owed = this.#yields.get(lane.version.name) ?? 0;
    if (owed === 0) return false;
    this.#yields.set(lane.version.name, owed - 1);
    return true;
  }

  /** Ends an environment; its room is free when it is gone. */
  #discard(slot: Slot): void {
    const { lane } = slot;
    lane.drop(slot);
    this.#forget(lane);
    if (slot.isDiscarded) return;
    slot.isRetired = true;
    slot.isDiscarded = true;
    this.#closing.set(slot, this.#close(slot));
    this.#reportProvisioned(lane);
  }

  async #close(slot: Slot): Promise<void> {
    const { environment } = slot;
    try {
      await environment[Symbol.asyncDispose]();
    } catch (error) {
      this.#logger.error({ err: error, environment: environment.id }, 'an environment could not be ended');
    }
    this.#closing.delete(slot);
    this.#schedule();
  }

  /** Plans once for all that happens in this turn. */
  #schedule(): void {
    if (this.#isPlanned || this.#end.signal.aborted) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      if (!this.#end.signal.aborted) this.#carryOut();
    });
  }

  #carryOut(): void {
    const nowMs = this.#clock.monotonicMs();
    const expiresAtMs = this.#expire(nowMs);
    let memoryMb = 0;
    for (const { lane } of this.#closing.keys()) memoryMb += lane.version.memoryMb;
    const lanes = [...this.#lanes.values()].map((lane) => lane.view());
    const { decisions, yields, nextAtMs } = plan(
      lanes,
      { count: this.#closing.size, memoryMb },
      this.#settings,
      nowMs,
    );
    this.#yields = new Map(yields);
    for (const decision of decisions) this.#do(decision);
    for (const atMs of [nextAtMs, expiresAtMs, this.#prepare(nowMs)]) {
      if (atMs !== undefined) this.#wakeAt(atMs);
    }
  }

  #do(decision: Decision): void {
    const lane = this.#lanes.get(decision.lane);
    if (lane === undefined) return;
    if (decision.kind === 'open') {
      this.#track(this.#open(lane, decision.isProvisioned));
      return;
    }
    const slot = lane.idle.find(({ environment }) => environment.id === decision.id);
    if (slot === undefined) return;
    if (decision.kind === 'close') this.#closeIdle(slot, decision.why);
    else this.#freeze(slot);
  }

  #closeIdle(slot: Slot, why: CloseReason): void {
    const { environment, lane } = slot;
    this.#logger.debug({ environment: environment.id, function: lane.version.name, why }, 'environment ends');
    this.#discard(slot);
  }

  #freeze(slot: Slot): void {
    slot.isFrozen = true;
    slot.environment.freeze().catch((error: unknown) => {
      this.#logger.warn({ err: error, environment: slot.environment.id }, 'an environment cannot be frozen');
    });
  }

  /** Never rejects: a failure is told to the invocation that waits for it. */
  async #open(lane: Lane, isProvisioned: boolean): Promise<void> {
    lane.opening += 1;
    if (isProvisioned) lane.openingProvisioned += 1;
    this.#rememberStart(lane.version);
    const isClosed = () => this.#end.signal.aborted;
    let opened: Environment | undefined;
    try {
      opened = await this.#environments.open(lane.version, {
        initialization: isProvisioned ? 'provisioned-concurrency' : 'on-demand',
        signal: this.#end.signal,
      });
    } catch (error) {
      if (!isClosed()) this.#onOpenFailure(lane, isProvisioned, error);
    }
    lane.opening -= 1;
    if (isProvisioned) lane.openingProvisioned -= 1;
    if (opened !== undefined) {
      if (isProvisioned) lane.provisionedFailures = 0;
      const slot = this.#adopt(lane, opened, isProvisioned);
      if (isClosed()) this.#discard(slot);
      else this.#onFree(slot);
    }
    this.#reportProvisioned(lane);
    this.#forget(lane);
    this.#schedule();
  }

  #adopt(lane: Lane, environment: Environment, isProvisioned: boolean): Slot {
    const slot: Slot = {
      environment,
      lane,
      isProvisioned,
      isRetired: false,
      isDiscarded: false,
      isFrozen: false,
      idleSinceMs: this.#clock.monotonicMs(),
      invocations: 0,
    };
    void environment.ended.then(() => {
      // One that is busy is given back first.
      if (lane.busy.has(slot)) slot.isRetired = true;
      else this.#discard(slot);
    });
    return slot;
  }

  #onOpenFailure(lane: Lane, isProvisioned: boolean, error: unknown): void {
    this.#logger.warn({ err: error, function: lane.version.name }, 'an environment could not be started');
    if (isProvisioned) {
      lane.provisionedFailures += 1;
      lane.provisionedFailure = errorMessage(error);
      lane.provisionedRetryAtMs = this.#clock.monotonicMs() + retryDelayMs(lane.provisionedFailures);
      return;
    }
    lane.waiting.shift()?.refuse(error);
  }

  /** Refuses those that waited too long and that nothing is being started for. Returns when the next one has. */
  #expire(nowMs: number): number | undefined {
    if (this.#waiting === 0) return undefined;
    let nextAtMs: number | undefined;
    for (const lane of this.#lanes.values()) {
      for (;;) {
        const waiter = lane.waiting[lane.opening];
        if (waiter === undefined) break;
        const atMs = waiter.sinceMs + this.#settings.maxWaitMs;
        if (atMs > nowMs) {
          nextAtMs = Math.min(nextAtMs ?? atMs, atMs);
          break;
        }
        lane.waiting.splice(lane.opening, 1);
        waiter.refuse(throttled('ConcurrentInvocationLimitExceeded'));
      }
    }
    return nextAtMs;
  }

  #wakeAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.handle[Symbol.dispose]();
    const inMs = Math.max(1, Math.ceil(atMs - this.#clock.monotonicMs()));
    const handle = this.#clock.timer(inMs, () => {
      this.#timer = undefined;
      this.#schedule();
    });
    this.#timer = { atMs, handle };
  }

  #rememberStart({ code }: FunctionVersion): void {
    if (code.packageType !== 'Zip') return;
    const starts = this.#starts.get(code.runtime) ?? [];
    starts.push(this.#clock.monotonicMs());
    if (starts.length > REMEMBERED_STARTS) starts.shift();
    this.#starts.set(code.runtime, starts);
  }

  /** Tells the environments how many runtimes to keep at hand. Returns when that may change. */
  #prepare(nowMs: number): number | undefined {
    for (const [runtime, startsAtMs] of this.#starts) {
      const count = preparedCount({ startsAtMs }, this.#settings, nowMs);
      if (count !== this.#prepared.get(runtime)) {
        this.#prepared.set(runtime, count);
        this.#environments.setPrepared(runtime, count);
      }
      if (count > 0) continue;
      this.#starts.delete(runtime);
      this.#prepared.delete(runtime);
    }
    return this.#starts.size === 0 ? undefined : nowMs + PREPARE_EVERY_MS;
  }

  #onChange(name: string): void {
    for (const lane of [...this.#lanes.values()]) {
      if (lane.version.name === name) this.#checkRevision(lane);
    }
    this.#readProvisioned();
    this.#schedule();
  }

  #checkRevision(lane: Lane): void {
    const { name, version, revisionId } = lane.version;
    try {
      lane.isStale = this.#catalog.resolve(name, version).version.revisionId !== revisionId;
    } catch (error) {
      // While it is being made anew, what there is goes on.
      if (error instanceof SlipwayError && error.code === 'NotFound') lane.isStale = true;
    }
  }

  #readProvisioned(): void {
    const wanted = new Map<string, number>();
    for (const { version, count } of this.#catalog.provisioned()) {
      const lane = this.#laneOf(version);
      wanted.set(lane.key, (wanted.get(lane.key) ?? 0) + count);
    }
    for (const lane of [...this.#lanes.values()]) {
      const count = wanted.get(lane.key) ?? 0;
      if (count === lane.provisionedWanted) continue;
      lane.provisionedWanted = count;
      lane.provisionedFailures = 0;
      lane.provisionedRetryAtMs = 0;
      this.#reportProvisioned(lane);
      this.#forget(lane);
    }
    if (wanted.size > 0) this.#schedule();
  }

  /** Tells the functions how far provisioned concurrency is, when that changed. */
  #reportProvisioned(lane: Lane): void {
    if (lane.provisionedWanted === 0 || this.#end.signal.aborted) return;
    const asked = this.#catalog.provisioned().filter(({ version }) => laneKey(version) === lane.key);
    const state = {
      available: lane.available,
      starting: lane.openingProvisioned,
      failures: lane.provisionedFailures,
      failure: lane.provisionedFailure,
    };
    for (const [config, status] of provisionedStatuses(asked, state)) {
      const key = statusKey(config);
      const told = JSON.stringify([config.count, status]);
      if (this.#statuses.get(key) === told) continue;
      this.#statuses.set(key, told);
      this.#catalog.setProvisionedStatus(config, status);
    }
  }

  #track(opening: Promise<void>): void {
    this.#openings.add(opening);
    void opening.then(() => this.#openings.delete(opening));
  }
}

/** How often it is looked at whether a runtime is still in use. */
const PREPARE_EVERY_MS = 30_000;

const statusKey = ({ version, qualifier }: ProvisionedConcurrency): string => `${version.name}:${qualifier}`;

const ignore = (): void => {};

const throttled = (reason: ThrottleReason, message = 'Rate Exceeded.'): SlipwayError =>
  awsError('ResourceExhausted', 'TooManyRequestsException', message, {
    details: { Reason: reason, Type: 'User' },
  });

const ending = (): SlipwayError =>
  awsError('Unavailable', 'ServiceException', 'slipwayd is ending; try again');
