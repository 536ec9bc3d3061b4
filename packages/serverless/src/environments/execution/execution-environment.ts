import type { Duplex } from 'node:stream';
import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { FunctionVersion } from '../../functions/index.ts';
import type { SandboxExit } from '../compute/compute.ts';
import {
  type ColdStart,
  ENVIRONMENT_ENDED,
  type Environment,
  type Invocation,
  type Outcome,
  type Report,
} from '../environment.ts';
import type { ShutdownReason } from '../runtime-api/extensions.ts';
import { EXTENSIONS_ROOT } from '../runtimes/runtime.ts';
import { EnvironmentLog } from './environment-log.ts';
import { functionError } from './errors.ts';
import { type ExecutionContext, type Instance, labelsOf, startInstance } from './instance.ts';
import type { Plan } from './plan.ts';
import { reportMetrics } from './platform-events.ts';
import { type Ending, type InitResult, judge, startError } from './verdict.ts';

/** Initialisation on demand; what takes longer begins anew with the first invocation. */
const MAX_INIT_MS = 10_000;
/** What extensions get to end in. */
const SHUTDOWN_MS = 2_000;
const MEBIBYTE = 1024 * 1024;
/** What whoever called is told of an invocation that was given up. */
const KILLED: SandboxExit = { exitCode: 128 + 9, oomKilled: false };

export interface ExecutionOptions {
  readonly initialization: 'on-demand' | 'provisioned-concurrency';
  readonly runtimeVersion: string;
  /** Of INIT_START: which image it is. */
  readonly runtimeVersionArn: string;
  /** A sandbox that waits for a function, when there is one. */
  readonly takePrepared: () => Instance | undefined;
  readonly logStream: string;
  /** Nothing is stopped for the time that it takes while somebody looks at it. */
  readonly isDebugged: boolean;
  readonly signal: AbortSignal;
}

/** An execution environment of one version: a sandbox, its log, and one invocation at a time. */
export class ExecutionEnvironment implements Environment {
  readonly id: string;
  readonly version: FunctionVersion;
  readonly logStream: string;
  readonly ended: Promise<void>;
  coldStart: ColdStart = { placeMs: 0, startMs: 0, initMs: 0 };
  readonly #context: ExecutionContext;
  readonly #plan: Plan;
  readonly #options: ExecutionOptions;
  readonly #log: EnvironmentLog;
  readonly #end = Promise.withResolvers<void>();
  #instance: Instance | undefined;
  #exit: Promise<SandboxExit> = new Promise(() => {});
  #isBusy = false;
  #isSpent = false;
  /** Before the first invocation, and not as a part of it. */
  #isInitialized = false;
  #isFirst = true;
  #disposal: Promise<void> | undefined;
  #isFrozen = false;
  #freezing: Promise<void> | undefined;

  constructor(context: ExecutionContext, plan: Plan, options: ExecutionOptions) {
    const { version, runtime } = plan;
    this.id = context.random.hex(16);
    this.version = version;
    this.logStream = options.logStream;
    this.ended = this.#end.promise;
    this.#context = context;
    this.#plan = plan;
    this.#options = options;
    this.#log = new EnvironmentLog({
      clock: context.clock,
      writer: context.writer,
      stream: options.logStream,
      version,
      joinsLines: runtime?.joinsLines === true,
      telemetry: () => this.#instance?.telemetry,
    });
  }

  /**
   * Starts and initialises it. On demand, a failure of the function's own is kept for the first invocation.
   * @throws FailedPrecondition FunctionStartError when it is provisioned and the code fails; what compute says
   */
  async open(): Promise<void> {
    const { initialization, isDebugged } = this.#options;
    const isProvisioned = initialization === 'provisioned-concurrency';
    try {
      const limitMs = isDebugged ? undefined : isProvisioned ? this.version.timeoutMs : MAX_INIT_MS;
      const result = await this.#initialize('init', limitMs);
      this.#isInitialized = result.kind === 'ready';
      if (this.#isInitialized) return;
      await this.#drop('failure');
      if (isProvisioned) throw startError(this.version, result);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async invoke(invocation: Invocation, { signal }: { readonly signal: AbortSignal }): Promise<Outcome> {
    if (this.#isBusy) {
      throw new SlipwayError('FailedPrecondition', `environment ${this.id} of ${this.version.name} is busy`);
    }
    if (this.#isSpent || this.#disposal !== undefined) throw this.#endedBefore();
    this.#isBusy = true;
    try {
      await this.#freezing;
      if (this.#isFrozen) await this.#thaw();
      this.#isFrozen = false;
      return await this.#run(invocation, signal);
    } finally {
      this.#isBusy = false;
      this.#isFirst = false;
    }
  }

  /** A connection to a port inside of it. @throws FailedPrecondition when it has no sandbox at the moment */
  async connect(port: number): Promise<Duplex> {
    const { sandbox } = this.#instance ?? {};
    if (sandbox !== undefined) return await sandbox.connect(port);
    throw new SlipwayError('FailedPrecondition', `environment ${this.id} does not run`);
  }

  async freeze(): Promise<void> {
    const instance = this.#instance;
    // A debugger would be frozen with it.
    if (instance === undefined || this.#options.isDebugged) return;
    // One whose extensions still work on the last invocation is frozen when they ask for the next.
    if (!instance.session.isIdle) await Promise.race([instance.session.untilIdle(), this.#exit]);
    if (this.#isBusy || this.#isFrozen || this.#isSpent) return;
    this.#freezing ??= this.#freezeNow(instance).finally(() => {
      this.#freezing = undefined;
    });
    await this.#freezing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isSpent = true;
    this.#disposal ??= this.#drop('spindown').then(() => this.#end.resolve());
    await this.#disposal;
  }

  async #freezeNow({ sandbox }: Instance): Promise<void> {
    try {
      await sandbox.freeze();
      this.#isFrozen = true;
    } catch (error) {
      this.#context.logger.warn(
        { error: errorMessage(error), function: this.version.name },
        'an environment stays awake',
      );
    }
  }

  /* ---- initialisation ---- */

  async #initialize(phase: 'init' | 'invoke', limitMs: number | undefined): Promise<InitResult> {
    const { clock } = this.#context;
    const { initialization, runtimeVersion, runtimeVersionArn } = this.#options;
    const beganMs = clock.monotonicMs();
    this.#log.tell({
      type: 'platform.initStart',
      record: {
        initializationType: initialization,
        phase,
        runtimeVersion,
        runtimeVersionArn,
        functionName: this.version.name,
        functionVersion: this.version.version,
      },
    });
    const instance = await this.#place({ mayBePrepared: this.#plan.canBePrepared });
    const initBeganMs = clock.monotonicMs();
    const result = await this.#untilReady(instance, limitMs);
    const initMs = clock.monotonicMs() - initBeganMs;
    this.coldStart = { ...this.coldStart, initMs };
    const status = result.kind === 'ready' ? 'success' : result.kind === 'timeout' ? 'timeout' : 'error';
    const errorType =
      result.kind === 'failed'
        ? result.error.errorType
        : result.kind === 'exited'
          ? 'Runtime.ExitError'
          : undefined;
    const record = { initializationType: initialization, phase, status, errorType } as const;
    // What was written in it stands before the first invocation.
    await instance.sandbox.flush();
    this.#log.tell({ type: 'platform.initRuntimeDone', record });
    this.#log.tell({
      type: 'platform.initReport',
      record: { ...record, metrics: { durationMs: clock.monotonicMs() - beganMs } },
    });
    if (result.kind === 'ready') instance.sandbox.limitCpu('by-memory');
    return result;
  }

  /** A sandbox with the function in it, whose runtime has been told to start. One that was prepared, where it can be. */
  async #place({ mayBePrepared }: { readonly mayBePrepared: boolean }): Promise<Instance> {
    const { clock } = this.#context;
    const { version, extensions } = this.#plan;
    const beganMs = clock.monotonicMs();
    const output = this.#log.openOutput('function');
    const prepared = mayBePrepared ? this.#options.takePrepared() : undefined;
    const isGated = extensions.length > 0;
    const instance = prepared ?? (await startInstance(this.#context, this.#plan, { gated: isGated, output }));
    instance.output = output;
    this.#watch(instance);
    const placedMs = clock.monotonicMs();
    const { session, sandbox } = instance;
    session.extensions.setFunction({
      functionName: version.name,
      functionVersion: version.version,
      handler: version.handler,
      accountId: version.accountId,
    });
    if (prepared !== undefined) {
      try {
        await sandbox.complete({
          name: `lambda-${version.name}`,
          labels: labelsOf(this.#plan),
          mounts: this.#plan.mounts,
          tmpMb: version.ephemeralStorageMb,
          memoryMb: version.memoryMb,
        });
      } catch (error) {
        if (!isSlipwayError(error, 'Unavailable')) throw error;
        await prepared[Symbol.asyncDispose]();
        return await this.#place({ mayBePrepared: false });
      }
    }
    await this.#startExtensions(instance);
    if (prepared !== undefined || isGated) {
      await Promise.race([session.waitsForAssignment.promise, this.#exit]);
      session.assign({
        variables: this.#plan.variables,
        args: this.#plan.args ?? [],
        workingDirectory: this.#plan.workingDirectory ?? '/',
      });
    }
    this.coldStart = {
      placeMs: placedMs - beganMs,
      startMs: clock.monotonicMs() - placedMs,
      initMs: 0,
    };
    return instance;
  }

  /** Of an image they are known only now, when its runtime has started already. */
  async #startExtensions({ sandbox, session }: Instance): Promise<void> {
    const { runtime, extensions, variables } = this.#plan;
    const names = runtime === undefined ? await sandbox.list(EXTENSIONS_ROOT) : extensions;
    for (const name of names) session.extensions.expect(name);
    await Promise.all(
      names.map(async (name) => {
        const output = this.#log.openOutput('extension');
        const { exited } = await sandbox.exec({ args: [`${EXTENSIONS_ROOT}/${name}`], variables }, output);
        void exited.then(({ exitCode }) => session.extensions.exited(name, exitCode));
      }),
    );
    if (names.length > 0 && runtime !== undefined) {
      await Promise.race([session.extensions.registered, this.#exit]);
    }
  }

  async #untilReady({ session }: Instance, limitMs: number | undefined): Promise<InitResult> {
    const { clock } = this.#context;
    const { signal } = this.#options;
    const late = Promise.withResolvers<InitResult>();
    using _limit =
      limitMs === undefined ? undefined : clock.timer(limitMs, () => late.resolve({ kind: 'timeout' }));
    const canceled = Promise.withResolvers<InitResult>();
    const onAbort = () => canceled.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([
        session.ready.promise.then(() => ({ kind: 'ready' }) as const),
        session.initFailed.promise.then((error) => ({ kind: 'failed', error }) as const),
        session.extensions.failed.promise.then(
          ({ errorType }) =>
            ({ kind: 'failed', error: functionError(errorType, `Extension failed: ${errorType}`) }) as const,
        ),
        this.#exit.then((exit) => ({ kind: 'exited', exit }) as const),
        late.promise,
        canceled.promise,
      ]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #watch(instance: Instance): void {
    this.#instance = instance;
    this.#exit = instance.sandbox.exited;
    void this.#exit.then(() => {
      if (this.#instance !== instance) return;
      // In an initialisation that failed, the next invocation begins anew.
      if (this.#isSpent || instance.session.isInitialized) {
        this.#isSpent = true;
        this.#end.resolve();
      }
    });
  }

  /** Ends the sandbox, after its extensions were told. */
  async #drop(reason: ShutdownReason): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    if (instance === undefined) return;
    const { session, sandbox, telemetry } = instance;
    const { clock } = this.#context;
    if (session.extensions.wantShutdown) {
      await this.#freezing;
      if (this.#isFrozen) await sandbox.thaw();
      session.extensions.shutDown(reason, clock.nowMs() + SHUTDOWN_MS);
      await telemetry.flush();
      await Promise.race([session.extensions.gone, sandbox.exited, clock.sleep(SHUTDOWN_MS)]);
    }
    await instance[Symbol.asyncDispose]();
  }

  /* ---- one invocation ---- */

  async #run(invocation: Invocation, signal: AbortSignal): Promise<Outcome> {
    const { clock } = this.#context;
    const { version } = this;
    const { requestId } = invocation;
    this.#log.clearTail();
    const beganMs = clock.monotonicMs();
    const deadlineMs = clock.nowMs() + version.timeoutMs;
    const late = Promise.withResolvers<'timeout' | SandboxExit>();
    using _limit = this.#options.isDebugged
      ? undefined
      : clock.timer(version.timeoutMs, () => late.resolve('timeout'));
    const onAbort = () => late.resolve(KILLED);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const unready = await this.#untilIdle(late.promise);
      this.#log.tell({ type: 'platform.start', record: { requestId, version: version.version } });
      const ended = unready ?? (await this.#answer(invocation, deadlineMs, late.promise));
      // It runs until it is killed, a moment later, which is not the function's to pay.
      const durationMs = ended === 'timeout' ? version.timeoutMs : clock.monotonicMs() - beganMs;
      return await this.#conclude(invocation, ended, durationMs);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Until runtime and extensions have done with what was before. Answers with what came instead.
   * @throws Unavailable ENVIRONMENT_ENDED: the runtime ended while nothing ran, of which nobody heard before
   */
  async #untilIdle(late: Promise<'timeout' | SandboxExit>): Promise<'timeout' | SandboxExit | undefined> {
    const session = this.#instance?.session;
    if (session === undefined || session.isIdle) return undefined;
    const gone = this.#exit.then(() => Promise.reject(this.#endedBefore()));
    return await Promise.race([session.untilIdle().then(() => undefined), gone, late]);
  }

  async #thaw(): Promise<void> {
    try {
      await this.#instance?.sandbox.thaw();
    } catch (error) {
      throw this.#endedBefore(error);
    }
  }

  #endedBefore(cause?: unknown): SlipwayError {
    return new SlipwayError(
      'Unavailable',
      `environment ${this.id} of ${this.version.name} has ended before this invocation`,
      { cause, reason: ENVIRONMENT_ENDED },
    );
  }

  /** What comes first: the runtime's answer, its end, or the time-out. */
  async #answer(
    invocation: Invocation,
    deadlineMs: number,
    late: Promise<'timeout' | SandboxExit>,
  ): Promise<Ending> {
    if (this.#instance === undefined) {
      const leftMs = deadlineMs - this.#context.clock.nowMs();
      const result = await this.#initialize('invoke', this.#options.isDebugged ? undefined : leftMs);
      if (result.kind === 'exited') return result.exit;
      if (result.kind === 'timeout') return 'timeout';
      if (result.kind === 'failed') return result;
    }
    const { session, sandbox } = this.#instance as unknown as Instance;
    if (!this.#isFirst) sandbox.resetMemoryPeak();
    if (!session.isIdle) {
      const idle = await Promise.race([session.untilIdle(), this.#exit, late]);
      if (idle !== undefined) return idle;
    }
    return await Promise.race([session.invoke(invocation, deadlineMs), this.#exit, late]);
  }

  async #conclude(invocation: Invocation, ended: Ending, durationMs: number): Promise<Outcome> {
    const { requestId } = invocation;
    const { version } = this;
    const instance = this.#instance;
    await instance?.sandbox.flush();
    this.#log.endLines();
    const verdict = judge(ended, requestId, version.timeoutMs);
    if (verdict.line !== undefined) this.#log.write(verdict.line(this.#context.clock.nowMs()));
    const peakBytes = typeof ended === 'object' && 'exitCode' in ended ? ended.memoryPeakBytes : undefined;
    const report = this.#report(invocation, durationMs, peakBytes);
    this.#log.tell({
      type: 'platform.runtimeDone',
      record: {
        requestId,
        status: verdict.status,
        errorType: verdict.errorType,
        metrics: { durationMs, producedBytes: verdict.payload.byteLength },
      },
    });
    if (version.logging.format === 'Text') this.#log.write(`END RequestId: ${requestId}`);
    this.#log.tell({
      type: 'platform.report',
      record: {
        requestId,
        status: verdict.status,
        errorType: verdict.errorType,
        metrics: reportMetrics(report),
      },
    });
    if (verdict.kind === 'timeout' || verdict.kind === 'exit') this.#giveUp(verdict.kind);
    return {
      kind: verdict.kind,
      payload: verdict.payload,
      functionError: verdict.kind === 'response' ? undefined : 'Unhandled',
      report,
      logTail: this.#log.tail,
    };
  }

  #report({ isCold }: Invocation, durationMs: number, peakBytes: number | undefined): Report {
    const { memoryMb } = this.version;
    const initMs =
      isCold && this.#isFirst && this.#instance !== undefined ? this.coldStart.initMs : undefined;
    const usedMb = Math.ceil((peakBytes ?? this.#instance?.sandbox.memoryPeakBytes() ?? 0) / MEBIBYTE);
    return {
      durationMs,
      billedMs: Math.ceil(durationMs + (initMs ?? 0)),
      memorySizeMb: memoryMb,
      maxMemoryUsedMb: Math.min(memoryMb, usedMb),
      initMs,
    };
  }

  /** It runs no more. Nobody waits for its end. */
  #giveUp(kind: 'timeout' | 'exit'): void {
    this.#isSpent = true;
    this.#disposal ??= this.#drop(kind === 'timeout' ? 'timeout' : 'failure').then(
      () => this.#end.resolve(),
      (error: unknown) => {
        this.#context.logger.warn(
          { error: errorMessage(error), function: this.version.name },
          'an environment could not be removed',
        );
        this.#end.resolve();
      },
    );
  }
}
