import type { Clock } from '@slipway/base/clock';
import { PlainProgress } from './plain.ts';
import type { BuildProgress } from './progress.ts';
import { TreeProgress } from './tree.ts';

export const PROGRESS_KINDS = ['auto', 'plain', 'tty', 'quiet'] as const;

/** @param kind `auto` is the tree on a terminal and plain lines elsewhere */
export function openProgress(kind: string, out: NodeJS.WriteStream, clock: Clock): BuildProgress {
  if (kind === 'quiet') return { take() {}, failure: () => '', [Symbol.dispose]() {} };
  return kind === 'tty' || (kind === 'auto' && out.isTTY)
    ? new TreeProgress(out, clock)
    : new PlainProgress(out);
}
