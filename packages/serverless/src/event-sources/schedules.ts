import { type Clock, errorMessage, isSlipwayError, type Logger, newUuid, type Random } from '@slipway/base';
import type { Database } from '@slipway/store';
import type { EventTargets } from '../async-invocations/index.ts';
import { awsError } from '../aws/index.ts';
import {
  checkSchedule,
  type Delivery,
  deliveryBody,
  dueTimes,
  lastDueMs,
  refused,
  retryAtMs,
  type Schedule,
} from './schedule.ts';
import { openScheduleRecords, type ScheduleRecords } from './schedule-records.ts';

export interface SchedulesParts {
  readonly database: Database;
  readonly targets: EventTargets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly accountId: string;
  readonly maxSchedules?: number;
}

interface Entry {
  readonly schedule: Schedule;
  readonly dueAtMs: number | undefined;
}

interface Pending {
  readonly delivery: Delivery;
  readonly dueAtMs: number;
}

const MAX_SCHEDULES = 10_000;
const MAX_DELIVERIES_AT_ONCE = 32;
/** Wall clocks are put right now and then, so that no wait for one may be long. */
const MAX_WAIT_MS = 60_000;

/**
 * Keeps time. That a schedule was due is noted together with when it is due next, in one commit, and forgotten when its target
 * has it: so each time counts at least once. Of the times at which nobody was there, the last counts, once.
 */
export class Schedules implements AsyncDisposable {
  readonly #parts: SchedulesParts;
  readonly #records: ScheduleRecords;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<number, Pending>();
  readonly #delivering = new Map<number, Promise<void>>();
  readonly #ending = new AbortController();
  #isStarted = false;
  #timer: Disposable | undefined;

  constructor(parts: SchedulesParts) {
    this.#parts = parts;
    this.#records = openScheduleRecords(parts.database);
    for (const entry of this.#records.list()) this.#entries.set(entry.schedule.name, entry);
    for (const { id, ...pending } of this.#records.deliveries()) this.#pending.set(id, pending);
  }

  /** Begins to keep time. */
  start(): void {
    this.#isStarted = true;
    this.#tick();
  }

  /** @throws Conflict ConflictException when there is one; InvalidArgument ValidationException; ResourceExhausted */
  create(schedule: Schedule): void {
    if (this.#entries.has(schedule.name)) {
      throw awsError('Conflict', 'ConflictException', `Schedule ${schedule.name} already exists.`);
    }
    const max = this.#parts.maxSchedules ?? MAX_SCHEDULES;
    if (this.#entries.size >= max) {
      throw awsError(
        'ResourceExhausted',
        'ServiceQuotaExceededException',
        `There are ${max} schedules already.`,
      );
    }
    // A rate begins with its creation.
    this.#save(schedule, schedule.createdAtMs - 1);
  }

  /** Everything of it is new; what was left out has its default. @throws NotFound, InvalidArgument */
  update(schedule: Schedule): void {
    const { createdAtMs } = this.get(schedule.name);
    this.#save({ ...schedule, createdAtMs }, this.#parts.clock.nowMs());
  }

  /** @throws NotFound ResourceNotFoundException */
  get(name: string): Schedule {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      throw awsError('NotFound', 'ResourceNotFoundException', `Schedule ${name} does not exist.`);
    }
    return entry.schedule;
  }

  /** In the order of their names. */
  list(): Schedule[] {
    return [...this.#entries.values()]
      .map(({ schedule }) => schedule)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws NotFound */
  delete(name: string): void {
    this.get(name);
    this.#records.delete(name);
    this.#entries.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#timer?.[Symbol.dispose]();
    await Promise.all(this.#delivering.values());
  }

  #save(schedule: Schedule, afterMs: number): void {
    const { clock, targets } = this.#parts;
    checkSchedule(schedule, clock.nowMs());
    for (const arn of [schedule.target.arn, schedule.target.deadLetterArn]) {
      if (arn === undefined) continue;
      try {
        targets.check(arn);
      } catch (error) {
        throw refused(errorMessage(error));
      }
    }
    const dueAtMs = schedule.isEnabled ? dueTimes(schedule)(afterMs) : undefined;
    this.#records.save(schedule, dueAtMs);
    this.#entries.set(schedule.name, { schedule, dueAtMs });
    this.#tick();
  }

  #tick(): void {
    if (!this.#isStarted || this.#ending.signal.aborted) return;
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (const entry of this.#entries.values()) {
      if (entry.dueAtMs !== undefined && entry.dueAtMs <= nowMs) this.#fire(entry, entry.dueAtMs, nowMs);
    }
    this.#deliverDue(nowMs);
    this.#timer?.[Symbol.dispose]();
    const waitMs = Math.min(this.#nextMs(), nowMs + MAX_WAIT_MS) - nowMs;
    this.#timer = clock.timer(Math.max(waitMs, 1), () => this.#tick());
  }

  /** When there is something to do. */
  #nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueAtMs } of this.#entries.values()) nextMs = Math.min(nextMs, dueAtMs ?? nextMs);
    // Without room, whatever ends looks again.
    if (this.#delivering.size >= MAX_DELIVERIES_AT_ONCE) return nextMs;
    for (const [id, { dueAtMs }] of this.#pending) {
      if (!this.#delivering.has(id)) nextMs = Math.min(nextMs, dueAtMs);
    }
    return nextMs;
  }

  #fire({ schedule }: Entry, dueAtMs: number, nowMs: number): void {
    const next = dueTimes(schedule)(nowMs);
    const delivery: Delivery = {
      scheduleArn: schedule.arn,
      region: schedule.region,
      target: schedule.target,
      scheduledAtMs: lastDueMs(schedule, dueAtMs, nowMs),
      executionId: newUuid(this.#parts.random),
      attempts: 0,
    };
    const isOver = next === undefined && schedule.deletesItself;
    this.#records.transaction(() => {
      if (nowMs - delivery.scheduledAtMs <= schedule.target.maxAgeSeconds * 1000) {
        this.#pending.set(this.#records.addDelivery(delivery, nowMs), { delivery, dueAtMs: nowMs });
      }
      if (isOver) this.#records.delete(schedule.name);
      else this.#records.save(schedule, next);
    });
    if (isOver) this.#entries.delete(schedule.name);
    else this.#entries.set(schedule.name, { schedule, dueAtMs: next });
  }

  #deliverDue(nowMs: number): void {
    for (const [id, pending] of this.#pending) {
      if (this.#delivering.size >= MAX_DELIVERIES_AT_ONCE) return;
      if (pending.dueAtMs > nowMs || this.#delivering.has(id)) continue;
      const run = this.#deliver(id, pending.delivery).finally(() => {
        this.#delivering.delete(id);
        this.#tick();
      });
      this.#delivering.set(id, run);
    }
  }

  async #deliver(id: number, delivery: Delivery): Promise<void> {
    const { targets, clock, logger, accountId } = this.#parts;
    const { arn, messageGroupId: groupId } = delivery.target;
    const body = deliveryBody(delivery, accountId);
    try {
      await targets.send(arn, body, { groupId, signal: this.#ending.signal });
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const tried = { ...delivery, attempts: delivery.attempts + 1 };
      const dueAtMs = retryAtMs(tried, clock.nowMs());
      if (dueAtMs !== undefined) {
        this.#records.postponeDelivery(id, tried, dueAtMs);
        this.#pending.set(id, { delivery: tried, dueAtMs });
        return;
      }
      logger.error({ err: error, schedule: delivery.scheduleArn }, 'a schedule could not reach its target');
      await this.#deadLetter(tried, body, error);
    }
    this.#records.deleteDelivery(id);
    this.#pending.delete(id);
  }

  async #deadLetter(
    { target, scheduleArn, scheduledAtMs, attempts }: Delivery,
    body: string,
    cause: unknown,
  ) {
    if (target.deadLetterArn === undefined) return;
    const { targets, logger } = this.#parts;
    const attributes = {
      ERROR_CODE: isSlipwayError(cause) ? (cause.reason ?? cause.code) : 'InternalException',
      ERROR_MESSAGE: errorMessage(cause).slice(0, 1024),
      EXHAUSTED_RETRY_CONDITION:
        attempts > target.maxRetries ? 'MaximumRetryAttempts' : 'MaximumEventAgeInSeconds',
      RETRY_ATTEMPTS: String(attempts - 1),
      SCHEDULE_ARN: scheduleArn,
      SCHEDULED_TIME: new Date(scheduledAtMs).toISOString(),
      TARGET_ARN: target.arn,
    };
    try {
      await targets.send(target.deadLetterArn, body, { attributes, signal: this.#ending.signal });
    } catch (error) {
      logger.error({ err: error, arn: target.deadLetterArn }, 'a dead letter of a schedule is lost');
    }
  }
}
