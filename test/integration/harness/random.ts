/** What random choices begin with; `SLIPWAY_TEST_SEED` repeats a run. */
export const SEED = Number(process.env['SLIPWAY_TEST_SEED'] ?? 20_260);

/** The same numbers, from 0 to below 1, for the same seed. @see mulberry32 */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
