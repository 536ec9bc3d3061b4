import type { Engine } from './engines.ts';

/** What one engine gave for one figure. The unit is the figure's. */
export interface Samples {
  readonly values: readonly number[];
  readonly median: number;
  readonly p95: number;
}

export function summarize(values: readonly number[]): Samples {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { values, median: at(0.5), p95: at(0.95) };
}

/**
 * Measures the engines in turns, so that what else goes on in the machine meets all of them; who is first changes
 * from round to round. The first round warms up and is not counted, unless `warmUp` is false.
 */
export async function inTurns(
  engines: readonly Engine[],
  rounds: number,
  measure: (engine: Engine) => Promise<number>,
  { warmUp = true }: { readonly warmUp?: boolean } = {},
): Promise<Map<string, Samples>> {
  const values = new Map<string, number[]>(engines.map(({ name }) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    const order = round % 2 === 0 ? engines : engines.toReversed();
    for (const engine of order) {
      const value = await measure(engine);
      if (round >= 0) values.get(engine.name)?.push(value);
    }
  }
  return new Map([...values].map(([name, list]) => [name, summarize(list)]));
}
