import {
  type Clock,
  errorMessage,
  isSlipwayError,
  type Logger,
  newUuid,
  orAborted,
  type Random,
} from '@slipway/base';
import { type AsyncAcceptor, type EventTargets, nextWindow } from '../async-invocations/index.ts';
import type { FunctionCatalog, ResolvedFunction } from '../functions/index.ts';
import type { InvokeRequest, InvokeResult } from '../invocations/index.ts';
import { failedItems, remainingMs } from './batch.ts';
import { MAX_BATCH_BYTES, type Mapping, SOURCE_LIMITS } from './mapping.ts';
import { type EventPattern, parsePattern } from './patterns.ts';
import type { EventSource, SourceItem } from './source.ts';

/** What runs a batch; `Invoker` is one. */
export interface MappingInvoker {
  invoke(
    request: InvokeRequest & { readonly kind: 'RequestResponse' },
    options: { readonly signal: AbortSignal },
  ): Promise<CallResult>;
}

type CallResult = Pick<InvokeResult, 'executedVersion' | 'functionError' | 'payload'>;

/** What a running mapping works with. */
export interface RunnerParts {
  readonly catalog: Pick<FunctionCatalog, 'resolve'>;
  readonly invoker: MappingInvoker;
  readonly acceptor: AsyncAcceptor;
  readonly targets: EventTargets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long a source is asked for the first item. */
const POLL_MS = 20_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** Room comes and goes more quickly than faults do. */
const MAX_ROOM_BACKOFF_MS = 5_000;
/** Batches at once, to begin with. */
const FIRST_WINDOW = 5;

/** Takes items from a source to a function, batch by batch, until it is stopped. */
export class MappingRunner implements AsyncDisposable {
  /** What became of the last batch, in Lambda's words. */
  lastResult = 'No records processed';
  readonly #mapping: Mapping;
  readonly #parts: RunnerParts;
  readonly #filters: readonly EventPattern[];
  /** No more items are taken, and what waits for room does not go on waiting. */
  readonly #stopping = new AbortController();
  /** What runs is broken off. */
  readonly #ending = new AbortController();
  readonly #batches = new Set<Promise<void>>();
  readonly #run: Promise<void>;
  readonly #maxWindow: number;
  /** Batches at once: fewer after a refusal, more while there is room. */
  #window: number;

  constructor(mapping: Mapping, open: () => Promise<EventSource>, parts: RunnerParts) {
    this.#mapping = mapping;
    this.#parts = parts;
    this.#filters = mapping.filters.map(parsePattern);
    this.#maxWindow = mapping.maxConcurrency ?? SOURCE_LIMITS[mapping.source.kind].concurrency;
    this.#window = Math.min(FIRST_WINDOW, this.#maxWindow);
    this.#run = this.#start(open);
  }

  /** Lets the function finish what it has. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#run;
  }

  /** At once: what the function has will come again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.stop();
  }

  async #start(open: () => Promise<EventSource>): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await using source = await open();
        failures = 0;
        try {
          await this.#poll(source);
        } finally {
          await Promise.all(this.#batches);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.lastResult = `PROBLEM: ${errorMessage(error)}`;
        this.#parts.logger.warn(
          { err: error, mapping: this.#mapping.uuid },
          'an event source does not answer; trying again',
        );
        await this.#pause(failures);
      }
    }
  }

  async #poll(source: EventSource): Promise<void> {
    // What a batch that broke had in its hands comes again when the source is opened again.
    const broken = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, broken.signal]);
    while (!signal.aborted) {
      while (this.#batches.size >= Math.floor(this.#window)) await Promise.race(this.#batches);
      const items = await this.#gather(source, signal);
      if (items.length === 0) continue;
      const batch = this.#handle(source, items)
        .catch((error: unknown) => broken.abort(error))
        .finally(() => this.#batches.delete(batch));
      this.#batches.add(batch);
    }
    broken.signal.throwIfAborted();
  }

  /** The next batch: what is there, or what comes within the batching window. */
  async #gather(source: EventSource, signal: AbortSignal): Promise<SourceItem[]> {
    const { clock } = this.#parts;
    const policy = {
      batchSize: this.#mapping.batchSize,
      windowMs: this.#mapping.windowSeconds * 1000,
      maxBytes: MAX_BATCH_BYTES,
    };
    const items = [...(await source.receive({ max: policy.batchSize, waitMs: POLL_MS, signal }))];
    const beganAtMs = clock.nowMs();
    while (items.length > 0 && !signal.aborted) {
      const sizeBytes = items.reduce((sum, item) => sum + item.sizeBytes, 0);
      const waitMs = remainingMs({ count: items.length, sizeBytes, beganAtMs }, policy, clock.nowMs());
      if (waitMs === 0) break;
      items.push(...(await source.receive({ max: policy.batchSize - items.length, waitMs, signal })));
    }
    if (signal.aborted) {
      await source.release(items);
      return [];
    }
    return items;
  }

  async #handle(source: EventSource, items: readonly SourceItem[]): Promise<void> {
    const wanted = items.filter((item) => this.#isWanted(item));
    const unwanted = items.filter((item) => !wanted.includes(item));
    if (unwanted.length > 0) await source.acknowledge(unwanted);
    for (const part of inParts(wanted)) {
      if (SOURCE_LIMITS[this.#mapping.source.kind].retries || source.redelivers)
        await this.#invoke(source, part);
      else await this.#accept(source, part);
    }
  }

  #isWanted(item: SourceItem): boolean {
    if (this.#filters.length === 0) return true;
    return this.#filters.some((filter) => {
      const record = { ...item.record };
      for (const key of ['body', 'data']) {
        if (typeof record[key] === 'string' && filter.looksInto(key)) record[key] = parsed(record[key]);
      }
      return filter.matches(record);
    });
  }

  /** Gives items to the durable queue of events. */
  async #accept(source: EventSource, items: readonly SourceItem[]): Promise<void> {
    const payload = toPayload(items);
    await this.#untilTaken(source, items, (target) =>
      this.#parts.acceptor.accept({ target, requestId: newUuid(this.#parts.random), payload }),
    );
    await source.acknowledge(items);
    this.lastResult = 'OK';
  }

  /** Invokes the function with items until they are done with. */
  async #invoke(source: EventSource, all: readonly SourceItem[]): Promise<void> {
    const { signal } = this.#stopping;
    let items = all;
    for (let attempt = 1; items.length > 0; attempt++) {
      const payload = toPayload(items);
      const requestId = newUuid(this.#parts.random);
      const result = await this.#untilTaken(source, items, (target) =>
        this.#call(target, requestId, payload),
      );
      const ids = items.map(({ id }) => id);
      const failed =
        result.functionError !== undefined
          ? new Set(ids)
          : this.#mapping.reportsItemFailures
            ? failedItems(result.payload, ids)
            : new Set<string>();
      const done = items.filter(({ id }) => !failed.has(id));
      if (done.length > 0) await source.acknowledge(done);
      items = items.filter(({ id }) => failed.has(id));
      this.lastResult = items.length === 0 ? 'OK' : 'PROBLEM: Function call failed';
      if (items.length === 0 || source.redelivers) return;
      if (this.#mapping.maxRetries >= 0 && attempt > this.#mapping.maxRetries) {
        await this.#giveUp(source, items, { requestId, attempt, result });
        return;
      }
      await source.keep(items);
      await this.#pause(attempt - 1);
      signal.throwIfAborted();
    }
  }

  async #call(target: ResolvedFunction, requestId: string, payload: Uint8Array): Promise<CallResult> {
    const { signal } = this.#ending;
    try {
      const request = { target, requestId, payload, kind: 'RequestResponse' } as const;
      return await orAborted(this.#parts.invoker.invoke(request, { signal }), signal);
    } catch (error) {
      // Too large: it will not get better by waiting.
      if (!isSlipwayError(error, 'InvalidArgument')) throw error;
      return {
        executedVersion: target.version.version,
        functionError: error.reason ?? error.code,
        payload: Buffer.from(''),
      };
    }
  }

  /** Tries until there is room, or the function is there again. */
  async #untilTaken<T>(
    source: EventSource,
    items: readonly SourceItem[],
    take: (target: ResolvedFunction) => Promise<T>,
  ): Promise<T> {
    const { catalog, logger } = this.#parts;
    const { functionName, qualifier, region, uuid } = this.#mapping;
    for (let refusals = 0; ; refusals++) {
      try {
        const taken = await take(catalog.resolve(functionName, qualifier, region));
        this.#window = nextWindow(this.#window, 'succeeded', this.#maxWindow);
        return taken;
      } catch (error) {
        this.#stopping.signal.throwIfAborted();
        this.lastResult = `PROBLEM: ${errorMessage(error)}`;
        this.#window = nextWindow(this.#window, 'refused', this.#maxWindow);
        const isFull = isSlipwayError(error, 'ResourceExhausted');
        if (!isFull) {
          logger.warn(
            { err: error, mapping: uuid, functionName },
            'events could not be given to their function',
          );
        }
        await source.keep(items);
        await this.#pause(refusals, isFull ? MAX_ROOM_BACKOFF_MS : MAX_BACKOFF_MS);
        this.#stopping.signal.throwIfAborted();
      }
    }
  }

  /** Sends what failed for good to the destination for it. */
  async #giveUp(
    source: EventSource,
    items: readonly SourceItem[],
    last: { readonly requestId: string; readonly attempt: number; readonly result: CallResult },
  ): Promise<void> {
    const { targets, clock, logger } = this.#parts;
    const { onFailure, functionArn, uuid } = this.#mapping;
    const record = {
      version: '1.0',
      timestamp: new Date(clock.nowMs()).toISOString(),
      requestContext: {
        requestId: last.requestId,
        functionArn,
        condition: 'RetryAttemptsExhausted',
        approximateInvokeCount: last.attempt,
      },
      responseContext: {
        statusCode: 200,
        executedVersion: last.result.executedVersion,
        functionError: last.result.functionError ?? 'BatchItemFailures',
      },
      payload: { Records: items.map((item) => item.record) },
    };
    if (onFailure === undefined) {
      logger.error(
        { mapping: uuid, items: items.length },
        'events failed for good and have no destination: they are dropped',
      );
    } else {
      await this.#untilTaken(source, items, () =>
        targets.send(onFailure, JSON.stringify(record), { signal: this.#ending.signal }),
      );
    }
    await source.acknowledge(items);
  }

  async #pause(failures: number, maxMs = MAX_BACKOFF_MS): Promise<void> {
    const ms = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10), maxMs);
    await this.#parts.clock.sleep(ms, { signal: this.#stopping.signal }).catch(() => {});
  }
}

const toPayload = (items: readonly SourceItem[]): Buffer =>
  Buffer.from(JSON.stringify({ Records: items.map(({ record }) => record) }));

/** Batches that an invocation can carry. */
function* inParts(items: readonly SourceItem[]): Generator<readonly SourceItem[]> {
  let part: SourceItem[] = [];
  let sizeBytes = 0;
  for (const item of items) {
    if (part.length > 0 && sizeBytes + item.sizeBytes > MAX_BATCH_BYTES) {
      yield part;
      part = [];
      sizeBytes = 0;
    }
    part.push(item);
    sizeBytes += item.sizeBytes;
  }
  if (part.length > 0) yield part;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
