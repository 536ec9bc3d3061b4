/** One record of a container's log: a line, or a part of one that is longer than 16 KiB. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  /** With the newline, where the process wrote one. */
  readonly bytes: Uint8Array;
  readonly timeNs: bigint;
}

/** A line of a json-file log; undefined when it is not one, e.g. after a full disk. */
export function parseRecord(line: string): LogEntry | undefined {
  try {
    const { log, stream, time } = JSON.parse(line) as { log?: unknown; stream?: unknown; time?: unknown };
    const timeNs = typeof time === 'string' ? parseTimeNs(time) : undefined;
    if (typeof log !== 'string' || timeNs === undefined) return undefined;
    return { stream: stream === 'stderr' ? 'stderr' : 'stdout', bytes: Buffer.from(log), timeNs };
  } catch {
    return undefined;
  }
}

/** `2026-01-02T03:04:05.123456789Z` as nanoseconds since the epoch. */
function parseTimeNs(text: string): bigint | undefined {
  const [, seconds, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  if (seconds === undefined) return undefined;
  const ms = Date.parse(`${seconds}Z`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}
