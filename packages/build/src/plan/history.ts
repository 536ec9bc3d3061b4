import type { ImageRunConfig } from '@slipway/oci';
import type { Argument } from './arguments.ts';

/** What BuildKit says who made a layer, and docker shows in its last column. */
export const HISTORY_COMMENT = 'buildkit.dockerfile.v0';

const quote = (text: string): string => JSON.stringify(text);

/** Go's `%q` of strings: `["a" "b"]`. */
export const quotedWords = (words: readonly string[]): string => `[${words.map(quote).join(' ')}]`;

/** Go's `%v` of strings: `[a b]`. */
export const plainWords = (words: readonly string[]): string => `[${words.join(' ')}]`;

/** `RUN |1 A=b /bin/sh -c make`: the arguments stand before the command, as those of another value make another layer. */
export function describeRun(args: readonly string[], buildArgs: readonly Argument[]): string {
  const set = buildArgs.flatMap(({ name, value }) => (value === undefined ? [] : [`${name}=${value}`]));
  return ['RUN', ...(set.length === 0 ? [] : [`|${set.length}`, ...set]), ...args].join(' ');
}

/** As Go prints a pointer to docker's `HealthcheckConfig` with `%q`; odd, and what every docker shows. */
export function describeHealthcheck(check: ImageRunConfig['Healthcheck']): string {
  const durations = [check?.Interval, check?.Timeout, check?.StartPeriod, check?.StartInterval]
    .map((nanos) => quote(formatDuration(nanos ?? 0)))
    .join(' ');
  return `HEALTHCHECK &{${quotedWords(check?.Test ?? [])} ${durations} ${quotedCharacter(check?.Retries ?? 0)}}`;
}

/** Go's `%q` of a number: the character of that code. */
function quotedCharacter(code: number): string {
  const named: Readonly<Record<number, string>> = {
    7: '\\a',
    8: '\\b',
    9: '\\t',
    10: '\\n',
    11: '\\v',
    12: '\\f',
    13: '\\r',
  };
  const text =
    named[code] ?? (code < 32 ? `\\x${code.toString(16).padStart(2, '0')}` : String.fromCodePoint(code));
  return `'${text}'`;
}

const NANOS_PER_SECOND = 1e9;

/** Go's `time.Duration.String`, for what a health check has: `1m30s`, `500ms`, `0s`. */
function formatDuration(nanos: number): string {
  if (nanos === 0) return '0s';
  if (nanos < NANOS_PER_SECOND) {
    if (nanos >= 1e6) return `${nanos / 1e6}ms`;
    return nanos >= 1e3 ? `${nanos / 1e3}µs` : `${nanos}ns`;
  }
  const seconds = nanos / NANOS_PER_SECOND;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Number((seconds % 60).toFixed(9));
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}
