/**
 * A line of `GET /events`. The lower-case fields are what clients before API 1.22 read.
 * @see Docker Engine API v1.51, SystemEvents
 */
export interface EventMessage {
  /** Of containers and images. */
  readonly status?: string;
  readonly id?: string;
  /** A container's image. */
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: 'local';
  /** Seconds since the epoch. */
  readonly time: number;
  /** Nanoseconds since the epoch: past what a double holds, so the line is written with `formatEventMessage`. */
  readonly timeNano: bigint;
}

/** The event as one JSON line, `timeNano` with all its digits. */
export function formatEventMessage(message: EventMessage): string {
  const { timeNano, ...rest } = message;
  return `${JSON.stringify(rest).slice(0, -1)},"timeNano":${timeNano}}\n`;
}
