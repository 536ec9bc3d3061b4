import type { Clock } from '@slipway/base/clock';
import type { BuildMessage } from '@slipway/client';
import { PlainProgress } from './plain.ts';
import { TreeProgress } from './tree.ts';

/** How a build is shown while it goes. */
export interface BuildProgress extends Disposable {
  take(message: BuildMessage): void;
  /** The log of the step that failed, for those who have not seen it. */
  failure(): string;
}

export const PROGRESS_KINDS = ['auto', 'plain', 'tty', 'quiet'] as const;

/** @param kind `auto` is the tree on a terminal and plain lines elsewhere */
export function openProgress(kind: string, out: NodeJS.WriteStream, clock: Clock): BuildProgress {
  if (kind === 'quiet') return { take() {}, failure: () => '', [Symbol.dispose]() {} };
  return kind === 'tty' || (kind === 'auto' && out.isTTY)
    ? new TreeProgress(out, clock)
    : new PlainProgress(out);
}
