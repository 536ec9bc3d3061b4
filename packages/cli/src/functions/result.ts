import type { Invoked } from '@slipway/client';
import type { Context } from '../command.ts';

/** Prints what an invocation answered on standard output, and what it wrote and cost on the other. */
export function showResult(
  { stdout, stderr }: Pick<Context, 'stdout' | 'stderr'>,
  { payload, logTail, ...invoked }: Invoked,
  options: { readonly quiet: boolean },
): void {
  if (!options.quiet && logTail !== '') stderr.write(logTail.endsWith('\n') ? logTail : `${logTail}\n`);
  const text = stdout.isTTY ? indented(payload) : payload.toString('utf8');
  stdout.write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
  if (!options.quiet) stderr.write(`${summary(invoked)}\n`);
}

/** `error Unhandled, version 3, 12.1 ms (billed 13 ms), 36 of 128 MB, cold start 61 ms: place 2, start 19, init 40` */
export function summary(invoked: Omit<Invoked, 'payload' | 'logTail'>): string {
  const { functionError, executedVersion, report, requestId } = invoked;
  const parts = [functionError === undefined ? 'success' : `error ${functionError}`];
  if (executedVersion !== '' && executedVersion !== '$LATEST') parts.push(`version ${executedVersion}`);
  if (report !== undefined) {
    parts.push(`${round(report.durationMs)} ms (billed ${report.billedMs} ms)`);
    parts.push(`${report.maxMemoryUsedMb} of ${report.memorySizeMb} MB`);
    const cold = report.coldStart;
    if (cold === undefined) parts.push('warm');
    else {
      const total = cold.placeMs + cold.startMs + cold.initMs;
      parts.push(
        `cold start ${round(total)} ms: place ${round(cold.placeMs)}, start ${round(cold.startMs)}, init ${round(cold.initMs)}`,
      );
    }
  }
  return `${parts.join(', ')} [${requestId}]`;
}

const round = (ms: number): string => String(Number(ms.toFixed(ms < 10 ? 2 : 1)));

function indented(payload: Buffer): string {
  const text = payload.toString('utf8');
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
