const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/**
 * Nanoseconds of a Go duration (`1m30s`, `1.5h`, `0`); undefined for what is none.
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseDurationNs(text: string): number | undefined {
  const [, sign, rest] = /^([+-]?)(.*)$/s.exec(text) as unknown as [string, string, string];
  if (rest === '0') return 0;
  if (rest === '' || !/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined;
  let total = 0;
  for (const [, count, unit] of rest.matchAll(/([\d.]+)([^\d.]+)/g)) {
    total += Number(count) * (UNIT_NS[unit as string] as number);
  }
  if (total > Number.MAX_SAFE_INTEGER * 1024) return undefined;
  return (sign === '-' ? -1 : 1) * Math.round(total);
}
