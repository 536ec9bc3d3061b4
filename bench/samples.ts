/** What one contender gave for one figure. The unit is the figure's. */
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
 * Measures the contenders in turns, so that what else goes on in the machine meets all of them; who is first changes
 * from round to round. The first round warms up and is not counted, unless `warmUp` is false.
 */
export async function inTurns<C extends { readonly name: string }>(
  contenders: readonly C[],
  rounds: number,
  measure: (contender: C) => Promise<number>,
  { warmUp = true }: { readonly warmUp?: boolean } = {},
): Promise<Map<string, Samples>> {
  const values = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const value = await measure(contender);
      if (round >= 0) values.get(contender.name)?.push(value);
    }
  }
  return new Map([...values].map(([name, list]) => [name, summarize(list)]));
}
