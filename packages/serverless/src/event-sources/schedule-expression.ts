import { Cron } from 'croner';
import { awsError } from '../aws/index.ts';

/**
 * When a schedule is due: `rate(5 minutes)`, `cron(0 9 ? * MON-FRI *)` or `at(2026-12-24T18:00:00)`.
 * @see https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 */
export interface ScheduleExpression {
  /**
   * The first time after `afterMs`; undefined when there is none. A rate counts from `anchorMs`, which is its first time.
   * Where a clock is put forward, times that do not exist are left out; where it is put back, those that exist twice count once.
   */
  nextTime(afterMs: number, anchorMs: number): number | undefined;
}

/** @throws InvalidArgument ValidationException */
export function parseSchedule(expression: string, timezone = 'UTC'): ScheduleExpression {
  checkTimezone(timezone);
  const [, kind, inner = ''] = /^(rate|cron|at)\((.*)\)$/.exec(expression) ?? [];
  switch (kind) {
    case 'rate':
      return parseRate(inner, expression);
    case 'at':
      return parseAt(inner, timezone, expression);
    case 'cron':
      return parseCron(inner, timezone, expression);
    default:
      throw invalid(expression);
  }
}

const UNITS_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

function parseRate(inner: string, expression: string): ScheduleExpression {
  const [, count, unit = '', plural] = /^(\d+) (minute|hour|day)(s?)$/.exec(inner.trim()) ?? [];
  const periodMs = Number(count) * (UNITS_MS[unit] ?? Number.NaN);
  // AWS wants `1 minute` and `5 minutes`.
  if (!(periodMs > 0) || (count === '1') !== (plural === '')) throw invalid(expression);
  return {
    nextTime: (afterMs, anchorMs) =>
      afterMs < anchorMs ? anchorMs : anchorMs + (Math.floor((afterMs - anchorMs) / periodMs) + 1) * periodMs,
  };
}

function parseAt(inner: string, timezone: string, expression: string): ScheduleExpression {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$/.test(inner)) throw invalid(expression);
  let atMs: number;
  try {
    atMs = Temporal.PlainDateTime.from(inner).toZonedDateTime(timezone).epochMilliseconds;
  } catch (cause) {
    throw invalid(expression, cause);
  }
  return { nextTime: (afterMs) => (atMs > afterMs ? atMs : undefined) };
}

function parseCron(inner: string, timezone: string, expression: string): ScheduleExpression {
  const fields = inner.trim().split(/\s+/);
  const [, , dayOfMonth, , dayOfWeek] = fields;
  // One of the two days is `?`, which is what makes the other one count alone.
  if (fields.length !== 6 || (dayOfMonth === '?') === (dayOfWeek === '?')) throw invalid(expression);
  if (fields.some((field, index) => field.includes('?') && (field !== '?' || (index !== 2 && index !== 4)))) {
    throw invalid(expression);
  }
  let cron: Cron;
  try {
    cron = new Cron(`0 ${fields.join(' ')}`, {
      timezone,
      paused: true,
      mode: '7-part',
      alternativeWeekdays: true,
      domAndDow: true,
      sloppyRanges: true,
    });
  } catch (cause) {
    throw invalid(expression, cause);
  }
  return {
    nextTime: (afterMs) => {
      let next = cron.nextRun(new Date(afterMs));
      while (next !== null && (!cron.match(next) || isSecondTime(next.getTime(), timezone))) {
        next = cron.nextRun(next);
      }
      return next?.getTime();
    },
  };
}

/** Whether the clock on the wall has shown this time before, as it was put back. */
function isSecondTime(ms: number, timezone: string): boolean {
  const wall = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone).toPlainDateTime();
  return wall.toZonedDateTime(timezone, { disambiguation: 'earlier' }).epochMilliseconds < ms;
}

function checkTimezone(timezone: string): void {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(timezone);
  } catch (cause) {
    throw awsError(
      'InvalidArgument',
      'ValidationException',
      `Provided timezone ${timezone} is not valid: name one of the IANA time zone database.`,
      { cause },
    );
  }
}

const invalid = (expression: string, cause?: unknown) =>
  awsError('InvalidArgument', 'ValidationException', `Invalid Schedule Expression ${expression}.`, { cause });
