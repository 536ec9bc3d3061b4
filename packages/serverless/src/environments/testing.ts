import { aborted, type Clock, SlipwayError } from '@slipway/base';
import { awsError } from '../aws/index.ts';
import type { FunctionVersion } from '../functions/index.ts';
import {
  ENVIRONMENT_ENDED,
  type Environment,
  type Environments,
  type Invocation,
  type OpenOptions,
  type Outcome,
} from './environment.ts';

/** What a function of the fake does with one invocation. */
export interface FakeRun {
  readonly durationMs: number;
  readonly kind?: Outcome['kind'];
  /** `null` by default. */
  readonly payload?: string;
}

export interface FakeEnvironmentsOptions {
  /** All latencies are sleeps of it: a virtual clock makes them free. */
  readonly clock: Clock;
  /** Of placing, starting and initialising; 50 by default, all of it initialisation. */
  readonly openMs?: number;
  /** 1 ms and `null` by default. */
  readonly run?: (version: FunctionVersion, invocation: Invocation) => FakeRun;
  /** Asked at each start; a message makes its initialisation fail, as that of a runtime that exits. */
  readonly failStart?: (version: FunctionVersion) => string | undefined;
}

/**
 * Execution environments in memory, which keep the contract: one invocation at a time, of no use after a time-out or an
 * exit, `ended` when they are. Time is the given clock's.
 */
export class FakeEnvironments implements Environments {
  /** Those that are starting or started, and not ended. */
  readonly alive = new Set<FakeEnvironment>();
  readonly prepared = new Map<string, number>();
  /** Starts so far, failed ones included. */
  opened = 0;
  /** The most that were alive at once. */
  peak = 0;
  readonly #options: FakeEnvironmentsOptions;

  constructor(options: FakeEnvironmentsOptions) {
    this.#options = options;
  }

  async open(version: FunctionVersion, options: OpenOptions): Promise<Environment> {
    const { clock, openMs = 50, failStart } = this.#options;
    const id = String(++this.opened);
    const environment = new FakeEnvironment(id, version, this.#options, () => this.alive.delete(environment));
    this.alive.add(environment);
    this.peak = Math.max(this.peak, this.alive.size);
    try {
      await clock.sleep(openMs, { signal: options.signal });
      environment.initFailure = failStart?.(version);
      if (environment.initFailure !== undefined && options.initialization === 'provisioned-concurrency') {
        throw awsError('FailedPrecondition', 'FunctionStartError', environment.initFailure);
      }
      return environment;
    } catch (error) {
      await environment[Symbol.asyncDispose]();
      throw error;
    }
  }

  setPrepared(runtime: string, count: number): void {
    this.prepared.set(runtime, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const environment of [...this.alive]) await environment[Symbol.asyncDispose]();
  }
}

export class FakeEnvironment implements Environment {
  readonly id: string;
  readonly version: FunctionVersion;
  readonly logStream: string;
  readonly coldStart;
  readonly ended: Promise<void>;
  /** On demand it is tried again by the first invocation, which then ends with it. */
  initFailure: string | undefined;
  isFrozen = false;
  /** Its process has ended by itself, and nobody has heard of it yet. */
  hasEndedUnnoticed = false;
  invocations = 0;
  readonly #options: FakeEnvironmentsOptions;
  readonly #gone = new AbortController();
  #isBusy = false;
  #isSpent = false;

  constructor(id: string, version: FunctionVersion, options: FakeEnvironmentsOptions, onEnd: () => void) {
    this.id = id;
    this.version = version;
    this.#options = options;
    this.logStream = `2026/01/01/[${version.version}]${id.padStart(32, '0')}`;
    this.coldStart = { placeMs: 0, startMs: 0, initMs: options.openMs ?? 50 };
    this.ended = aborted(this.#gone.signal).then(onEnd);
  }

  async invoke(invocation: Invocation, { signal }: { readonly signal: AbortSignal }): Promise<Outcome> {
    if (this.#isBusy) throw new SlipwayError('FailedPrecondition', `environment ${this.id} is busy`);
    if (this.#isSpent || this.#gone.signal.aborted || this.hasEndedUnnoticed) {
      throw new SlipwayError('Unavailable', `environment ${this.id} has ended`, {
        reason: ENVIRONMENT_ENDED,
      });
    }
    this.#isBusy = true;
    this.isFrozen = false;
    this.invocations += 1;
    try {
      return await this.#run(invocation, signal);
    } finally {
      this.#isBusy = false;
    }
  }

  async freeze(): Promise<void> {
    this.isFrozen = true;
  }

  /** Its process ends by itself. */
  crash(): void {
    this.#gone.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#gone.abort();
    await this.ended;
  }

  async #run(invocation: Invocation, signal: AbortSignal): Promise<Outcome> {
    const { clock, run } = this.#options;
    const asked = run?.(this.version, invocation) ?? { durationMs: 1 };
    const { timeoutMs, memoryMb } = this.version;
    const timedOut = asked.durationMs > timeoutMs;
    const durationMs = timedOut ? timeoutMs : asked.durationMs;
    const ended = await clock
      .sleep(durationMs, { signal: AbortSignal.any([signal, this.#gone.signal]) })
      .then(
        () => false,
        () => true,
      );
    const kind =
      ended || this.initFailure !== undefined ? 'exit' : timedOut ? 'timeout' : (asked.kind ?? 'response');
    this.#isSpent = kind === 'exit' || kind === 'timeout';
    if (this.#isSpent) this.#gone.abort();
    const payload = Buffer.from(payloadOf(kind, asked.payload));
    if (kind === 'response' && invocation.sink !== undefined) {
      invocation.sink.begin('application/octet-stream');
      await invocation.sink.write(payload);
    }
    const { initMs } = this.coldStart;
    return {
      kind,
      payload: kind === 'response' && invocation.sink !== undefined ? new Uint8Array() : payload,
      functionError: kind === 'response' ? undefined : 'Unhandled',
      report: {
        durationMs,
        billedMs: Math.ceil(durationMs + (invocation.isCold ? initMs : 0)),
        memorySizeMb: memoryMb,
        maxMemoryUsedMb: Math.min(memoryMb, 40),
        initMs: invocation.isCold ? initMs : undefined,
      },
      logTail: `START RequestId: ${invocation.requestId} Version: ${this.version.version}\n`,
    };
  }
}

function payloadOf(kind: Outcome['kind'], payload: string | undefined): string {
  if (kind === 'timeout')
    return JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out' });
  if (kind === 'exit')
    return JSON.stringify({ errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited' });
  return (
    payload ?? (kind === 'error' ? JSON.stringify({ errorType: 'Error', errorMessage: 'it failed' }) : 'null')
  );
}
