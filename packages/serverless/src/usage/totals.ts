import type { ProvisionedEntry, UsageEntry } from './ledger.ts';

/** What was used, added up. `mbMs`: megabytes of configured memory times milliseconds. */
export interface Totals {
  /** Those that ran; throttled ones did not. */
  readonly invocations: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly throttles: number;
  readonly coldStarts: number;
  readonly initMs: number;
  readonly durationMs: number;
  readonly billedMs: number;
  /** Billed on demand. */
  readonly mbMs: number;
  /** Billed while running in provisioned concurrency. */
  readonly provisionedMbMs: number;
  /** Held by provisioned concurrency. */
  readonly keptMbMs: number;
  readonly maxMemoryUsedMb: number;
}

export const NOTHING: Totals = {
  invocations: 0,
  errors: 0,
  timeouts: 0,
  throttles: 0,
  coldStarts: 0,
  initMs: 0,
  durationMs: 0,
  billedMs: 0,
  mbMs: 0,
  provisionedMbMs: 0,
  keptMbMs: 0,
  maxMemoryUsedMb: 0,
};

export function add(a: Totals, b: Totals): Totals {
  const sum = Object.fromEntries(
    Object.keys(NOTHING).map((key) => [key, a[key as keyof Totals] + b[key as keyof Totals]]),
  ) as unknown as Totals;
  return { ...sum, maxMemoryUsedMb: Math.max(a.maxMemoryUsedMb, b.maxMemoryUsedMb) };
}

export function totalsOf(entry: UsageEntry): Totals {
  if (entry.outcome === 'throttle') return { ...NOTHING, throttles: 1 };
  const mbMs = entry.billedMs * entry.memoryMb;
  return {
    ...NOTHING,
    invocations: 1,
    errors: entry.outcome === 'success' ? 0 : 1,
    timeouts: entry.outcome === 'timeout' ? 1 : 0,
    coldStarts: entry.initMs === undefined ? 0 : 1,
    initMs: entry.initMs ?? 0,
    durationMs: entry.durationMs,
    billedMs: entry.billedMs,
    mbMs: entry.isProvisioned ? 0 : mbMs,
    provisionedMbMs: entry.isProvisioned ? mbMs : 0,
    maxMemoryUsedMb: entry.maxMemoryUsedMb,
  };
}

export const totalsOfProvisioned = ({ memoryMb, keptMs }: ProvisionedEntry): Totals => ({
  ...NOTHING,
  keptMbMs: memoryMb * keptMs,
});

/** What things cost, in `currency`. */
export interface Prices {
  readonly currency: string;
  readonly perRequest: number;
  readonly perGbSecond: number;
  /** Running in provisioned concurrency. */
  readonly perProvisionedGbSecond: number;
  /** Held by provisioned concurrency. */
  readonly perKeptGbSecond: number;
}

/** What AWS asks in us-east-1 for x86, without its free tier. @see https://aws.amazon.com/lambda/pricing/ */
export const AWS_PRICES: Prices = {
  currency: 'USD',
  perRequest: 0.2e-6,
  perGbSecond: 0.0000166667,
  perProvisionedGbSecond: 0.0000097222,
  perKeptGbSecond: 0.0000041667,
};

const MB_MS_PER_GB_SECOND = 1024 * 1000;

export const gbSeconds = (mbMs: number): number => mbMs / MB_MS_PER_GB_SECOND;

export const costOf = (totals: Totals, prices: Prices): number =>
  totals.invocations * prices.perRequest +
  gbSeconds(totals.mbMs) * prices.perGbSecond +
  gbSeconds(totals.provisionedMbMs) * prices.perProvisionedGbSecond +
  gbSeconds(totals.keptMbMs) * prices.perKeptGbSecond;
