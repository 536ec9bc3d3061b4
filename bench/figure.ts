import type { Engine } from './engines.ts';
import type { Samples } from './samples.ts';

/** What a figure must reach. Where dockerd is named, what dockerd gave in the same run. */
export type Goal =
  | { readonly atMost: number }
  | { readonly timesDockerdAtMost: number }
  | { readonly timesDockerdAtLeast: number };

export interface MeasureOptions {
  /** How often each engine is measured for a figure that takes some tens of milliseconds. */
  readonly rounds: number;
  readonly checkout: string;
}

/** One line of the table: what is measured, how, and what it must reach. */
export interface Figure {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly unit: 'ms' | '/s' | 'MB';
  readonly goal?: Goal;
  /** By the name of the engine. */
  measure(engines: readonly Engine[], options: MeasureOptions): Promise<Map<string, Samples>>;
}

/** Whether a figure reached its goal; undefined when it has none, or when dockerd was not there to compare. */
export function isReached(goal: Goal | undefined, medians: ReadonlyMap<string, number>): boolean | undefined {
  const ours = medians.get('slipway');
  if (goal === undefined || ours === undefined) return undefined;
  if ('atMost' in goal) return ours <= goal.atMost;
  const dockerds = medians.get('dockerd');
  if (dockerds === undefined) return undefined;
  if ('timesDockerdAtMost' in goal) return ours <= dockerds * goal.timesDockerdAtMost;
  return ours >= dockerds * goal.timesDockerdAtLeast;
}
