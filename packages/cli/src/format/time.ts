import { parseDurationNs } from '../run/values.ts';

/** A time for the API in seconds since the epoch: from such a number, from a date, or from `10m`, that long ago. */
export function parseTime(text: string, nowMs: number): string {
  if (text === '' || /^\d+(\.\d+)?$/.test(text)) return text;
  const atMs = Date.parse(text);
  const ms = Number.isNaN(atMs) || !/^\d{4}-/.test(text) ? nowMs - parseDurationNs(text) / 1e6 : atMs;
  return (ms / 1000).toFixed(3);
}
