/** How often environments of a runtime were started of late. */
export interface RuntimeUse {
  /** When the latest were started, oldest first. */
  readonly startsAtMs: readonly number[];
}

export interface PreparedLimits {
  /** At most so many are kept for one runtime; 0 for none. */
  readonly maxPrepared: number;
  /** A runtime that nothing was started on for so long is not prepared any more. */
  readonly forgetMs: number;
}

/** What is started within so long of each other comes as one burst, which the next one is expected to be like. */
const BURST_MS = 60_000;

/**
 * How many runtimes are to be kept started without a function: one while the runtime is in use at all, more when starts
 * come close upon each other.
 */
export function preparedCount({ startsAtMs }: RuntimeUse, limits: PreparedLimits, nowMs: number): number {
  const last = startsAtMs.at(-1);
  if (last === undefined || nowMs - last >= limits.forgetMs) return 0;
  const recent = startsAtMs.filter((atMs) => nowMs - atMs < BURST_MS).length;
  return Math.min(limits.maxPrepared, Math.max(1, Math.ceil(recent / 2)));
}
