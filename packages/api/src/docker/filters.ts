import { SlipwayError } from '@slipway/base';
import type { Filters } from './common.ts';

type Labels = Readonly<Record<string, string>>;

/** Whether labels fit one value of a `label` filter: `name`, or `name=value`. */
export function hasLabel(labels: Labels, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  if (equals < 0) return Object.hasOwn(labels, wanted);
  const name = wanted.slice(0, equals);
  return Object.hasOwn(labels, name) && labels[name] === wanted.slice(equals + 1);
}

/** Whether labels have everything that the filter `label` names, and nothing that `label!` names. */
export function fitsLabels(labels: Labels, filters: Filters): boolean {
  const has = (wanted: string) => hasLabel(labels, wanted);
  return (filters.get('label')?.every(has) ?? true) && !(filters.get('label!')?.some(has) ?? false);
}

/** Docker's words for true and false in a filter. @throws InvalidArgument */
export function parseFilterFlag(key: string, value: string): boolean {
  if (['1', 't', 'true'].includes(value.toLowerCase())) return true;
  if (['0', 'f', 'false'].includes(value.toLowerCase())) return false;
  throw new SlipwayError('InvalidArgument', `invalid filter '${key}=[${value}]'`);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * A time as filters such as `until` take it, in milliseconds since the epoch: a Go duration before now (`24h`, `1h30m`),
 * Unix seconds, or RFC 3339, whole or only a date.
 * @throws InvalidArgument
 */
export function parseFilterTimeMs(text: string, nowMs: number): number {
  if (/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) {
    const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g);
    return (
      nowMs - parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit as string] ?? 0), 0)
    );
  }
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) {
    throw new SlipwayError(
      'InvalidArgument',
      `"${text}" is not a time: write a duration before now (24h), Unix seconds or RFC 3339`,
    );
  }
  return ms;
}
