import { formatDuration } from '@slipway/api/docker/duration';

/** Sizes, times and names as docker shows them. */

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

/** `1.24MB`: units of a thousand, three digits unless `digits` says otherwise. */
export const formatSize = (bytes: number, digits = 3): string => scale(bytes, 1000, DECIMAL_UNITS, digits);

/** `1.182MiB`: units of 1024, four digits. */
export const formatBinarySize = (bytes: number): string => scale(bytes, 1024, BINARY_UNITS, 4);

function scale(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}

/** `2 hours ago`; `N/A` for what never was. */
export const formatAgo = (thenMs: number, nowMs: number): string =>
  thenMs <= 0 ? 'N/A' : `${formatDuration(nowMs - thenMs)} ago`;

/** `2026-01-02 03:04:05 +0000 UTC`, as Go's `time.String` shows a time, in the machine's zone. */
export function formatGoTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number) => String(value).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const sign = offset < 0 ? '-' : '+';
  const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time} ${zone} ${offset === 0 ? 'UTC' : zoneName(date)}`;
}

const zoneName = (date: Date): string =>
  new Intl.DateTimeFormat('en', { timeZoneName: 'short' })
    .formatToParts(date)
    .find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';

/** The first 12 digits of an id, without `sha256:`. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

/** At most `width` columns, the last one an ellipsis when something was cut off. */
export function ellipsis(text: string, width: number): string {
  const letters = [...text];
  return letters.length <= width ? text : `${letters.slice(0, width - 1).join('')}…`;
}
