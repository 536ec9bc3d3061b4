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

/** `About a minute`, `3 hours`: a duration without `ago`. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(seconds / 3600);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
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
