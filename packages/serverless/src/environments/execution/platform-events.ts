import type { FunctionLogging } from '../../functions/index.ts';
import type { Report } from '../environment.ts';

export type Status = 'success' | 'error' | 'timeout' | 'failure';

/**
 * What the platform does with an environment, as telemetry's subscribers are told it.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
 */
export type PlatformEvent =
  | {
      readonly type: 'platform.initStart';
      readonly record: {
        readonly initializationType: string;
        readonly phase: 'init' | 'invoke';
        readonly runtimeVersion: string;
        readonly runtimeVersionArn: string;
        readonly functionName: string;
        readonly functionVersion: string;
      };
    }
  | {
      readonly type: 'platform.initRuntimeDone' | 'platform.initReport';
      readonly record: {
        readonly initializationType: string;
        readonly phase: 'init' | 'invoke';
        readonly status: Status;
        readonly errorType?: string | undefined;
        readonly metrics?: { readonly durationMs: number };
      };
    }
  | {
      readonly type: 'platform.start';
      readonly record: { readonly requestId: string; readonly version: string };
    }
  | {
      readonly type: 'platform.runtimeDone';
      readonly record: {
        readonly requestId: string;
        readonly status: Status;
        readonly errorType?: string | undefined;
        readonly metrics: { readonly durationMs: number; readonly producedBytes: number };
      };
    }
  | {
      readonly type: 'platform.report';
      readonly record: {
        readonly requestId: string;
        readonly status: Status;
        readonly errorType?: string | undefined;
        readonly metrics: Metrics;
      };
    }
  | {
      readonly type: 'platform.extension';
      readonly record: { readonly name: string; readonly state: string; readonly events: readonly string[] };
    };

interface Metrics {
  readonly durationMs: number;
  readonly billedDurationMs: number;
  readonly memorySizeMB: number;
  readonly maxMemoryUsedMB: number;
  readonly initDurationMs?: number | undefined;
}

export const reportMetrics = (report: Report): Metrics => ({
  durationMs: round(report.durationMs),
  billedDurationMs: report.billedMs,
  memorySizeMB: report.memorySizeMb,
  maxMemoryUsedMB: report.maxMemoryUsedMb,
  ...(report.initMs === undefined ? {} : { initDurationMs: round(report.initMs) }),
});

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** The system logs' levels of what is said in JSON. */
const LEVELS: Readonly<Record<PlatformEvent['type'], number>> = {
  'platform.initStart': 1,
  'platform.initRuntimeDone': 0,
  'platform.initReport': 1,
  'platform.start': 1,
  'platform.runtimeDone': 0,
  'platform.report': 1,
  'platform.extension': 1,
};
const THRESHOLDS: Readonly<Record<string, number>> = { DEBUG: 0, INFO: 1, WARN: 2 };

/** The event as a line of the function's log; undefined where the log does not show it. */
export function systemLine(
  event: PlatformEvent,
  logging: FunctionLogging,
  nowMs: number,
): string | undefined {
  if (logging.format === 'Text') return textLine(event);
  if (LEVELS[event.type] < (THRESHOLDS[logging.systemLevel.toUpperCase()] ?? 1)) return undefined;
  return `${JSON.stringify({ time: new Date(nowMs).toISOString(), ...event })}\n`;
}

function textLine({ type, record }: PlatformEvent): string | undefined {
  switch (type) {
    case 'platform.initStart':
      return `INIT_START Runtime Version: ${record.runtimeVersion}\tRuntime Version ARN: ${record.runtimeVersionArn}\n`;
    case 'platform.initReport': {
      if (record.status === 'success') return undefined;
      const durationMs = (record.metrics?.durationMs ?? 0).toFixed(2);
      const error = record.errorType === undefined ? '' : `\tError Type: ${record.errorType}`;
      return `INIT_REPORT Init Duration: ${durationMs} ms\tPhase: ${record.phase}\tStatus: ${record.status}${error}\n`;
    }
    case 'platform.start':
      return `START RequestId: ${record.requestId} Version: ${record.version}\n`;
    case 'platform.report':
      return reportLines(record);
    case 'platform.extension':
      return `EXTENSION\tName: ${record.name}\tState: ${record.state}\tEvents: [${record.events.join(', ')}]\n`;
    default:
      return undefined;
  }
}

/** END and REPORT. What went wrong stands at the end, as Lambda has it. */
function reportLines({
  requestId,
  status,
  errorType,
  metrics,
}: Extract<PlatformEvent, { type: 'platform.report' }>['record']): string {
  const init =
    metrics.initDurationMs === undefined ? '' : `Init Duration: ${metrics.initDurationMs.toFixed(2)} ms\t`;
  const failure =
    status === 'success'
      ? ''
      : `Status: ${status}${errorType === undefined ? '' : `\tError Type: ${errorType}`}`;
  return `REPORT RequestId: ${requestId}\tDuration: ${metrics.durationMs.toFixed(2)} ms\tBilled Duration: ${metrics.billedDurationMs} ms\tMemory Size: ${metrics.memorySizeMB} MB\tMax Memory Used: ${metrics.maxMemoryUsedMB} MB\t${init}${failure}\n`;
}
