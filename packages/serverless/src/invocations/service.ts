import { type Clock, isSlipwayError, type Logger, type Random } from '@slipway/base';
import type { Database } from '@slipway/store';
import { ENVIRONMENT_ENDED, type Environments, type Outcome } from '../environments/index.ts';
import type { FunctionCatalog } from '../functions/index.ts';
import type { UsageLedger } from '../usage/index.ts';
import { Failures } from './failures.ts';
import type { InvokeRequest, InvokeResult, Invoker } from './invoker.ts';
import { InvocationMetrics } from './metrics.ts';
import { type Lease, Pool, type PoolCounts, type PoolSettings } from './pool/pool.ts';

export interface InvocationsOptions {
  readonly catalog: FunctionCatalog;
  readonly environments: Environments;
  readonly usage: UsageLedger;
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: PoolSettings;
}

/** How often provisioned concurrency is written into the ledger. */
const METER_MS = 60_000;

/** Opens the slice. */
export const openInvocations = (options: InvocationsOptions): InvocationService =>
  new InvocationService(options);

/** Runs invocations in the pool's environments, and keeps account of them. */
export class InvocationService implements Invoker, AsyncDisposable {
  readonly failures: Failures;
  readonly metrics = new InvocationMetrics();
  readonly #pool: Pool;
  readonly #catalog: FunctionCatalog;
  readonly #usage: UsageLedger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #subscription: Disposable;
  readonly #meter: Disposable;
  /** Ends what runs when the daemon does; a client that goes ends nothing. */
  readonly #end = new AbortController();

  constructor({
    catalog,
    environments,
    usage,
    database,
    clock,
    random,
    logger,
    settings,
  }: InvocationsOptions) {
    this.#catalog = catalog;
    this.#usage = usage;
    this.#clock = clock;
    this.#random = random;
    this.failures = new Failures({ database, clock });
    this.#pool = new Pool({ environments, catalog, clock, logger, settings });
    this.#subscription = catalog.onChange((name) => this.#onChange(name));
    this.#meter = clock.interval(METER_MS, () => this.#meterProvisioned());
  }

  async invoke(request: InvokeRequest, { signal }: { readonly signal: AbortSignal }): Promise<InvokeResult> {
    const { name } = request.target.version;
    let lease = await this.#acquire(request, signal);
    this.metrics.began(name, this.#pool.inFlight(name));
    for (;;) {
      try {
        const result = await this.#run(request, lease);
        this.metrics.ended(name, result);
        return result;
      } catch (error) {
        const endedBefore = isSlipwayError(error, 'Unavailable') && error.reason === ENVIRONMENT_ENDED;
        if (!endedBefore || request.debug !== undefined) throw error;
        lease = await this.#acquire(request, signal);
      }
    }
  }

  async #acquire(request: InvokeRequest, signal: AbortSignal): Promise<Lease> {
    const { target, debug } = request;
    try {
      return await this.#pool.acquire(target.version, { debug, signal });
    } catch (error) {
      if (isSlipwayError(error, 'ResourceExhausted')) this.#onThrottle(request);
      throw error;
    }
  }

  /** Ends the environments of a function, or of all and what is prepared, so that the next invocation starts cold. */
  async retire(functionName?: string): Promise<void> {
    await this.#pool.retire(functionName);
  }

  environments(functionName?: string): PoolCounts {
    return this.#pool.counts(functionName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscription[Symbol.dispose]();
    this.#meter[Symbol.dispose]();
    this.#end.abort();
    await this.#pool[Symbol.asyncDispose]();
    this.failures[Symbol.dispose]();
  }

  async #run(request: InvokeRequest, lease: Lease): Promise<InvokeResult> {
    const { environment, isCold } = lease;
    const { target, requestId, payload, clientContext, sink } = request;
    const traceId = request.traceId ?? this.#newTraceId();
    const invocation = {
      requestId,
      payload,
      invokedArn: target.invokedArn,
      traceId,
      clientContext,
      sink,
      isCold,
    };
    let outcome: Outcome | undefined;
    try {
      outcome = await environment.invoke(invocation, { signal: this.#end.signal });
    } finally {
      lease.release(outcome?.kind === 'response' || outcome?.kind === 'error' ? 'usable' : 'spent');
    }
    this.#record(request, lease, outcome);
    return {
      executedVersion: target.version.version,
      functionError: outcome.functionError,
      payload: outcome.payload,
      logTail: outcome.logTail,
      report: outcome.report,
      coldStart: isCold ? environment.coldStart : undefined,
    };
  }

  #record(
    { target, requestId, payload, clientContext }: InvokeRequest,
    lease: Lease,
    outcome: Outcome,
  ): void {
    const { version, invokedArn } = target;
    const { report, kind } = outcome;
    const atMs = this.#clock.nowMs();
    this.#usage.record({
      atMs,
      requestId,
      functionName: version.name,
      version: version.version,
      durationMs: report.durationMs,
      billedMs: report.billedMs,
      memoryMb: report.memorySizeMb,
      maxMemoryUsedMb: report.maxMemoryUsedMb,
      initMs: report.initMs,
      outcome: kind === 'response' ? 'success' : kind === 'timeout' ? 'timeout' : 'error',
      isProvisioned: lease.isProvisioned,
    });
    if (kind === 'response') return;
    this.failures.add({
      requestId,
      functionName: version.name,
      version: version.version,
      invokedArn,
      atMs,
      payload,
      clientContext,
      error: Buffer.from(outcome.payload).toString('utf8'),
    });
  }

  #onThrottle({ target: { version }, requestId }: InvokeRequest): void {
    this.metrics.throttled(version.name);
    this.#usage.record({
      atMs: this.#clock.nowMs(),
      requestId,
      functionName: version.name,
      version: version.version,
      durationMs: 0,
      billedMs: 0,
      memoryMb: version.memoryMb,
      maxMemoryUsedMb: 0,
      initMs: undefined,
      outcome: 'throttle',
      isProvisioned: false,
    });
  }

  #meterProvisioned(): void {
    for (const { version, available } of this.#pool.provisioned()) {
      this.#usage.recordProvisioned({
        atMs: this.#clock.nowMs(),
        functionName: version.name,
        version: version.version,
        memoryMb: version.memoryMb,
        keptMs: available * METER_MS,
      });
    }
  }

  /** @see https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader */
  #newTraceId(): string {
    const seconds = Math.floor(this.#clock.nowMs() / 1000).toString(16);
    const hex = this.#random.hex(20);
    return `Root=1-${seconds}-${hex.slice(0, 24)};Parent=${hex.slice(24)};Sampled=0`;
  }

  #onChange(name: string): void {
    try {
      this.#catalog.resolve(name);
    } catch (error) {
      if (!isSlipwayError(error, 'NotFound')) return;
      this.metrics.forget(name);
      this.failures.forget(name);
    }
  }
}
