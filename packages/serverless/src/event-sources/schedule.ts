import { awsError } from '../aws/index.ts';
import { parseSchedule } from './schedule-expression.ts';

/** A schedule of EventBridge Scheduler. */
export interface Schedule {
  readonly name: string;
  readonly arn: string;
  readonly region: string;
  readonly expression: string;
  readonly timezone: string;
  readonly startAtMs: number | undefined;
  readonly endAtMs: number | undefined;
  readonly description: string | undefined;
  readonly isEnabled: boolean;
  /** Whether it is deleted when it will not be due again. */
  readonly deletesItself: boolean;
  readonly flexibleMinutes: number | undefined;
  readonly target: ScheduleTarget;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
}

export interface ScheduleTarget {
  readonly arn: string;
  /** Kept and answered; there are no roles here. */
  readonly roleArn: string;
  readonly input: string | undefined;
  readonly messageGroupId: string | undefined;
  readonly deadLetterArn: string | undefined;
  readonly maxAgeSeconds: number;
  readonly maxRetries: number;
}

/** A time at which a schedule was due, until its target has it. */
export interface Delivery {
  readonly scheduleArn: string;
  readonly region: string;
  readonly target: ScheduleTarget;
  readonly scheduledAtMs: number;
  readonly executionId: string;
  readonly attempts: number;
}

/** When a schedule is due: gives the first time after one; undefined when it never is again. */
export function dueTimes(schedule: Schedule): (afterMs: number) => number | undefined {
  const { startAtMs, endAtMs, createdAtMs } = schedule;
  const expression = parseSchedule(schedule.expression, schedule.timezone);
  const anchorMs = startAtMs ?? createdAtMs;
  return (afterMs) => {
    // A time that is the start itself counts.
    const dueMs = expression.nextTime(Math.max(afterMs, anchorMs - 1), anchorMs);
    return dueMs === undefined || (endAtMs !== undefined && dueMs > endAtMs) ? undefined : dueMs;
  };
}

/** The last time until `nowMs` at which a schedule was due, of which `dueMs` is one. */
export function lastDueMs(schedule: Schedule, dueMs: number, nowMs: number): number {
  const nextAfter = dueTimes(schedule);
  let lastMs = dueMs;
  for (let step = 0; step < MAX_STEPS; step++) {
    const nextMs = nextAfter(lastMs);
    if (nextMs === undefined || nextMs > nowMs) break;
    lastMs = nextMs;
  }
  return lastMs;
}

/** Minutes of a week: who was away for longer is told of an earlier time. */
const MAX_STEPS = 10_080;

const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 300_000;

/** When a delivery that failed is tried again; undefined when that is enough. */
export function retryAtMs(delivery: Delivery, nowMs: number): number | undefined {
  const { target, attempts, scheduledAtMs } = delivery;
  if (attempts > target.maxRetries) return undefined;
  const atMs = nowMs + Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 20), MAX_BACKOFF_MS);
  return atMs > scheduledAtMs + target.maxAgeSeconds * 1000 ? undefined : atMs;
}

/**
 * What the target is sent: its input with the words of the schedule filled in, or an event of EventBridge's form.
 * @see https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
 */
export function deliveryBody(delivery: Delivery, accountId: string): string {
  const time = new Date(delivery.scheduledAtMs).toISOString().replace('.000Z', 'Z');
  if (delivery.target.input === undefined) {
    return JSON.stringify({
      version: '0',
      id: delivery.executionId,
      'detail-type': 'Scheduled Event',
      source: 'aws.scheduler',
      account: accountId,
      time,
      region: delivery.region,
      resources: [delivery.scheduleArn],
      detail: '{}',
    });
  }
  const words: Readonly<Record<string, string>> = {
    'schedule-arn': delivery.scheduleArn,
    'scheduled-time': time,
    'execution-id': delivery.executionId,
    'attempt-number': String(delivery.attempts + 1),
  };
  return delivery.target.input.replaceAll(
    /<aws\.scheduler\.([a-z-]+)>/g,
    (text, word) => words[word] ?? text,
  );
}

/** @throws InvalidArgument ValidationException */
export function checkSchedule(schedule: Schedule, nowMs: number): void {
  if (!/^[\w.-]{1,64}$/.test(schedule.name)) {
    throw refused(
      `Invalid Name ${JSON.stringify(schedule.name)}: use 1 to 64 letters, digits, '-', '_' and '.'.`,
    );
  }
  parseSchedule(schedule.expression, schedule.timezone);
  const { startAtMs, endAtMs, flexibleMinutes, target } = schedule;
  if (endAtMs !== undefined && endAtMs <= Math.max(startAtMs ?? 0, nowMs)) {
    throw refused('The EndDate you specify must come after the StartDate and must not be in the past.');
  }
  if (flexibleMinutes !== undefined && !(flexibleMinutes >= 1 && flexibleMinutes <= 1440)) {
    throw refused('MaximumWindowInMinutes must be from 1 to 1440 for a FLEXIBLE time window.');
  }
  if (!(target.maxAgeSeconds >= 60 && target.maxAgeSeconds <= 86_400)) {
    throw refused('MaximumEventAgeInSeconds must be from 60 to 86400.');
  }
  if (!(target.maxRetries >= 0 && target.maxRetries <= 185)) {
    throw refused('MaximumRetryAttempts must be from 0 to 185.');
  }
}

export const refused = (message: string) => awsError('InvalidArgument', 'ValidationException', message);
