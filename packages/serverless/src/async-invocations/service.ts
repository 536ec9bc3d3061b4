import { type Clock, errorMessage, isSlipwayError, type Logger, orAborted, type Random } from '@slipway/base';
import { type Database, type GroupCommit, groupCommit } from '@slipway/store';
import { awsError } from '../aws/index.ts';
import type { EventInvokeConfig, FunctionCatalog, ResolvedFunction } from '../functions/index.ts';
import type { QueueSender } from '../queues/index.ts';
import type { AsyncAcceptor, AsyncRequest, EventInvoker, EventTargets } from './acceptor.ts';
import { type Attempt, deadLetterAttributes, invocationRecord } from './invocation-record.ts';
import { Lanes } from './lanes.ts';
import { type EventRecord, type EventRecords, openEventRecords } from './records.ts';
import { backoffMs, type Condition, type EventPolicy, type Happening, transition } from './state.ts';
import { eventTargets } from './targets.ts';

/** What the queue of events takes at most, and how many it runs at once. */
export interface AsyncLimits {
  /** Of one event's payload. */
  readonly maxPayloadBytes: number;
  readonly maxEventsPerFunction: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly maxConcurrency: number;
  readonly maxConcurrencyPerFunction: number;
}

export const DEFAULT_ASYNC_LIMITS: AsyncLimits = {
  maxPayloadBytes: 1_048_576,
  maxEventsPerFunction: 100_000,
  maxEvents: 1_000_000,
  maxBytes: 16 * 1024 ** 3,
  maxConcurrency: 256,
  maxConcurrencyPerFunction: 64,
};

export interface AsyncInvocationsParts {
  readonly database: Database;
  readonly catalog: Pick<FunctionCatalog, 'resolve' | 'reservedConcurrency' | 'eventInvokeConfig'>;
  readonly queues: QueueSender;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits?: Partial<AsyncLimits>;
}

/** How often a destination that is there but does not take an event is tried. */
const DELIVERY_ATTEMPTS = 6;
/** Functions that send to each other without end are stopped here, as Lambda's recursive loop detection does. */
const MAX_HOPS = 16;

/**
 * The durable queue of events. What it accepted stays on disk until the function ran with it to an end, or it was given to
 * its dead letter; in between nothing is noted, so that an event which a crash interrupts runs again.
 */
export class AsyncInvocations implements AsyncAcceptor, AsyncDisposable {
  readonly targets: EventTargets;
  readonly #parts: AsyncInvocationsParts;
  readonly #limits: AsyncLimits;
  readonly #records: EventRecords;
  readonly #commits: GroupCommit;
  readonly #lanes: Lanes;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #invoker: EventInvoker | undefined;
  #timer: Disposable | undefined;

  constructor(parts: AsyncInvocationsParts) {
    this.#parts = parts;
    this.#limits = { ...DEFAULT_ASYNC_LIMITS, ...parts.limits };
    this.#records = openEventRecords(parts.database);
    this.#commits = groupCommit(parts.database);
    this.#lanes = new Lanes(this.#records, this.#limits.maxConcurrencyPerFunction);
    this.targets = eventTargets({ ...parts, acceptor: this });
  }

  /** Begins to run what was accepted, now and before. */
  start(invoker: EventInvoker): void {
    this.#invoker = invoker;
    this.#pump();
  }

  async accept(request: AsyncRequest): Promise<void> {
    const { target, payload } = request;
    const sizeBytes = payload.byteLength;
    if (this.#ending.signal.aborted) {
      throw awsError('Unavailable', 'ServiceException', 'the daemon is ending; send the event again');
    }
    if (sizeBytes > this.#limits.maxPayloadBytes) {
      throw awsError(
        'InvalidArgument',
        'RequestTooLargeException',
        `${sizeBytes} byte payload is too large for the Event invocation type (limit ${this.#limits.maxPayloadBytes} bytes)`,
      );
    }
    const { name } = target.version;
    this.#reserve(name, sizeBytes);
    const acceptedAtMs = this.#parts.clock.nowMs();
    try {
      await this.#commits.write(() =>
        this.#records.insert({
          functionName: name,
          qualifier: target.qualifier,
          requestId: request.requestId,
          clientContext: request.clientContext,
          traceId: request.traceId,
          hops: request.hops ?? 0,
          state: { acceptedAtMs, attempts: 0, refusals: 0 },
          payload,
        }),
      );
    } catch (error) {
      this.#lanes.forget(name, sizeBytes);
      throw error;
    }
    this.#lanes.expect(name, acceptedAtMs);
    this.#pump();
  }

  /** How many events wait or run, of one function or of all. */
  backlog(functionName?: string): number {
    return this.#lanes.count(functionName);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#timer?.[Symbol.dispose]();
    await Promise.all(this.#running);
  }

  #reserve(functionName: string, sizeBytes: number): void {
    const { maxEventsPerFunction, maxEvents, maxBytes } = this.#limits;
    if (
      this.#lanes.count(functionName) >= maxEventsPerFunction ||
      this.#lanes.count() >= maxEvents ||
      this.#lanes.sizeBytes + sizeBytes > maxBytes
    ) {
      throw awsError('ResourceExhausted', 'TooManyRequestsException', 'Rate Exceeded.', {
        details: { Reason: 'CallerRateLimitExceeded' },
      });
    }
    this.#lanes.add(functionName, sizeBytes);
  }

  /** Runs what is due while there is room, then waits for what is due next. */
  #pump(): void {
    if (this.#invoker === undefined || this.#ending.signal.aborted) return;
    const invoker = this.#invoker;
    const nowMs = this.#parts.clock.nowMs();
    while (this.#running.size < this.#limits.maxConcurrency) {
      const taken = this.#lanes.take(nowMs);
      if (taken === undefined) break;
      const run = this.#run(taken.id, taken.functionName, invoker).finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
      this.#running.add(run);
    }
    this.#timer?.[Symbol.dispose]();
    const dueAtMs = this.#lanes.nextDueMs();
    // What is due and finds no room is taken when something ends.
    if (dueAtMs === undefined || dueAtMs <= nowMs) return;
    this.#timer = this.#parts.clock.timer(Math.min(dueAtMs - nowMs, MAX_TIMER_MS), () => this.#pump());
  }

  /** One event's turn, to its end or its next wait. Never rejects. */
  async #run(id: number, functionName: string, invoker: EventInvoker): Promise<void> {
    let turn: Turn = { happening: 'refused' };
    try {
      turn = await this.#turn(this.#records.get(id), invoker);
    } catch (error) {
      if (!this.#ending.signal.aborted) {
        this.#parts.logger.error(
          { err: error, functionName, eventId: id },
          'an event could not be handled; it waits',
        );
        turn = { happening: 'refused', dueAtMs: this.#parts.clock.nowMs() + backoffMs(0) };
      }
    }
    this.#lanes.release(functionName, id, turn.happening, this.#parts.clock.nowMs());
    if (turn.dueAtMs !== undefined) this.#lanes.expect(functionName, turn.dueAtMs);
  }

  async #turn(event: EventRecord, invoker: EventInvoker): Promise<Turn> {
    const { catalog, clock, logger } = this.#parts;
    let target: ResolvedFunction;
    try {
      target = catalog.resolve(event.functionName, event.qualifier);
    } catch (error) {
      // Pending or updating: it will be there, or the event grows too old.
      if (!isSlipwayError(error, 'NotFound')) return await this.#refused(event, undefined, error);
      logger.warn(about(event), 'an event was dropped: its function was deleted');
      await this.#discard(event);
      return { happening: 'due' };
    }
    const [, effect] = transition(event.state, 'due', this.#policy(target), clock.nowMs());
    if (effect.kind === 'finish') {
      await this.#finish(event, target, effect.condition, undefined);
      return { happening: 'due' };
    }
    let attempt: Attempt & { kind: 'ran' };
    try {
      const { signal } = this.#ending;
      const answer = await orAborted(invoker.invoke({ ...event, target, kind: 'Event' }, { signal }), signal);
      attempt = { kind: 'ran', ...answer };
    } catch (error) {
      this.#ending.signal.throwIfAborted();
      return await this.#refused(event, target, error);
    }
    return await this.#apply(
      event,
      target,
      attempt.functionError === undefined ? 'succeeded' : 'failed',
      attempt,
    );
  }

  async #refused(event: EventRecord, target: ResolvedFunction | undefined, error: unknown): Promise<Turn> {
    const isThrottle = isSlipwayError(error, 'ResourceExhausted');
    if (!isThrottle) {
      this.#parts.logger.warn({ err: error, ...about(event) }, 'an event could not run; it waits');
    }
    const statusCode = isThrottle ? 429 : 500;
    return await this.#apply(event, target, 'refused', {
      kind: 'refused',
      statusCode,
      message: errorMessage(error),
    });
  }

  async #apply(
    event: EventRecord,
    target: ResolvedFunction | undefined,
    happening: Happening,
    attempt: Attempt,
  ): Promise<Turn> {
    const policy = target === undefined ? UNKNOWN_POLICY : this.#policy(target);
    const [state, effect] = transition(event.state, happening, policy, this.#parts.clock.nowMs());
    const next = { ...event, state };
    if (effect.kind === 'wait') {
      const dueAtMs = Math.ceil(effect.untilMs);
      await this.#commits.relaxed(() => this.#records.postpone(event.id, state, dueAtMs));
      return { happening, dueAtMs };
    }
    if (effect.kind === 'finish' && target !== undefined) {
      await this.#finish(next, target, effect.condition, attempt);
    } else {
      await this.#discard(next);
    }
    return { happening };
  }

  #policy(target: ResolvedFunction): EventPolicy {
    const { catalog } = this.#parts;
    return {
      ...catalog.eventInvokeConfig(target),
      reservedConcurrency: catalog.reservedConcurrency(target.version.name),
    };
  }

  /** Tells the destinations, then forgets the event. */
  async #finish(
    event: EventRecord,
    target: ResolvedFunction,
    condition: Condition,
    attempt: Attempt | undefined,
  ): Promise<void> {
    const config = this.#parts.catalog.eventInvokeConfig(target);
    const destination = condition === 'Success' ? config.onSuccess : config.onFailure;
    if (destination !== undefined) {
      const record = invocationRecord(event, target, condition, attempt, this.#parts.clock.nowMs());
      await this.#deliver(event, destination, JSON.stringify(record));
    }
    if (condition !== 'Success') {
      await this.#deadLetter(event, config, condition, attempt);
    }
    await this.#discard(event);
  }

  async #deadLetter(
    event: EventRecord,
    config: EventInvokeConfig,
    condition: Condition,
    attempt: Attempt | undefined,
  ): Promise<void> {
    if (config.deadLetterTarget === undefined) return;
    const body = Buffer.from(event.payload).toString();
    await this.#deliver(
      event,
      config.deadLetterTarget,
      body,
      deadLetterAttributes(event, condition, attempt),
    );
  }

  async #deliver(
    event: EventRecord,
    arn: string,
    body: string,
    attributes?: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#ending;
    if (event.hops >= MAX_HOPS && arn.includes(':function:')) {
      logger.warn(
        { arn, ...about(event) },
        `an event was not sent on: ${MAX_HOPS} functions sent it to each other, which looks endless`,
      );
      return;
    }
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.targets.send(arn, body, { attributes, hops: event.hops + 1, signal });
      } catch (error) {
        signal.throwIfAborted();
        if (attempt + 1 >= DELIVERY_ATTEMPTS || isSlipwayError(error, 'NotFound', 'InvalidArgument')) {
          logger.error(
            { err: error, arn, ...about(event) },
            'a destination did not take an event; it is lost to it',
          );
          return;
        }
        await clock.sleep(backoffMs(attempt), { signal });
      }
    }
  }

  async #discard(event: EventRecord): Promise<void> {
    await this.#commits.relaxed(() => this.#records.delete(event.id));
    this.#lanes.forget(event.functionName, event.payload.byteLength);
  }
}

/** How a turn ended, and when the event is due again. */
interface Turn {
  readonly happening: Happening;
  readonly dueAtMs?: number;
}

const about = ({ requestId, functionName }: EventRecord) => ({ requestId, functionName });

/** For a function that cannot be asked, as it is not Active. */
const UNKNOWN_POLICY: EventPolicy = { maxRetries: 2, maxAgeSeconds: 21_600, reservedConcurrency: undefined };

/** `setTimeout` takes no longer ones. */
const MAX_TIMER_MS = 2 ** 31 - 1;
