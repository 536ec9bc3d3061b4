import type { JobEvent } from './job.ts';
import { timestamp } from './messages.ts';

/** BuildKit numbers its log streams as the system does. */
const streamNumber = { stdout: 1, stderr: 2 } as const;

/** Events of a build as one `StatusResponse`. @see https://github.com/moby/buildkit/tree/master/api/services/control */
export function statusOf(events: readonly JobEvent[], nowMs: number): object {
  const status = {
    vertexes: [] as object[],
    statuses: [] as object[],
    logs: [] as object[],
    warnings: [] as object[],
  };
  for (const event of events) {
    switch (event.kind) {
      case 'vertex':
        status.vertexes.push({
          digest: event.digest,
          inputs: event.inputs,
          name: event.title,
          cached: event.cached,
          started: timestamp(event.startedAtMs),
          completed: timestamp(event.completedAtMs),
          error: event.error ?? '',
        });
        break;
      case 'progress':
        status.statuses.push({
          ID: event.name,
          vertex: event.digest,
          name: event.name,
          current: event.currentBytes,
          total: event.totalBytes ?? 0,
          timestamp: timestamp(nowMs),
          started: timestamp(event.startedAtMs),
          completed: timestamp(event.completedAtMs),
        });
        break;
      case 'log':
        status.logs.push({
          vertex: event.digest,
          timestamp: timestamp(event.atMs),
          stream: streamNumber[event.stream],
          msg: event.bytes,
        });
        break;
      case 'warning':
        status.warnings.push(warningOf(event));
    }
  }
  return status;
}

function warningOf({ warning, fileName, text, digest }: Extract<JobEvent, { kind: 'warning' }>): object {
  const { rule, description, url, detail, ranges } = warning;
  const [first] = ranges;
  const place = first === undefined ? '' : ` (line ${first.start.line})`;
  return {
    vertex: digest,
    level: 1,
    short: Buffer.from(`${rule}: ${detail}${place}`),
    detail: [Buffer.from(description)],
    url,
    info: { filename: fileName, data: Buffer.from(text), language: 'Dockerfile' },
    ranges: ranges.map(toRange),
  };
}

/** Lines count from 1, columns from 0. */
export const toRange = ({
  start,
  end,
}: {
  readonly start: { readonly line: number };
  readonly end: { readonly line: number };
}): object => ({ start: { line: start.line }, end: { line: end.line } });
