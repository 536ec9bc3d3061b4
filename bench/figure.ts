import type { Samples } from './samples.ts';

/** A program that is measured beside others. */
export interface Contender {
  readonly name: string;
  readonly version: string;
  readonly daemonPid: number;
}

/** What a figure must reach. The peer is the group's second contender, in the same run. */
export type Goal =
  | { readonly atMost: number }
  | { readonly atLeast: number }
  | { readonly timesPeerAtMost: number }
  | { readonly timesPeerAtLeast: number };

export interface MeasureOptions {
  /** How often each contender is measured for a figure that takes some tens of milliseconds. */
  readonly rounds: number;
  readonly checkout: string;
}

/** One line of a table: what is measured, how, and what it must reach. */
export interface Figure<C extends Contender = Contender> {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  /** `x` is a ratio, of which less is better; nothing is a count. */
  readonly unit: 'ms' | '/s' | 'MB' | 'MB/s' | 'x' | '';
  readonly goal?: Goal;
  /** By the name of the contender. */
  measure(contenders: readonly C[], options: MeasureOptions): Promise<Map<string, Samples>>;
}

/** Figures that are measured with the same contenders, Slipway first: one table. */
export interface Group<C extends Contender = Contender> {
  /** For `--only`, too. */
  readonly name: string;
  readonly figures: readonly Figure<C>[];
  /** Starts those that are installed; `stack` ends them. What cannot be started is told to `say` and left out. */
  start(options: {
    readonly root: string;
    readonly checkout: string;
    readonly stack: AsyncDisposableStack;
    readonly say: (line: string) => void;
  }): Promise<C[]>;
}

/** Whether a figure reached its goal; undefined when it has none, or when the peer was not there to compare. */
export function isReached(
  goal: Goal | undefined,
  { ours, peers }: { readonly ours: number | undefined; readonly peers: number | undefined },
): boolean | undefined {
  if (goal === undefined || ours === undefined) return undefined;
  if ('atMost' in goal) return ours <= goal.atMost;
  if ('atLeast' in goal) return ours >= goal.atLeast;
  if (peers === undefined) return undefined;
  if ('timesPeerAtMost' in goal) return ours <= peers * goal.timesPeerAtMost;
  return ours >= peers * goal.timesPeerAtLeast;
}
