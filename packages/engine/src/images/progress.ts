import type { ProgressMessage } from '@slipway/api/docker';
import { AsyncQueue, type Clock } from '@slipway/base';

export type Report = (message: ProgressMessage) => void;

/** Progress of many layers is throttled at its source, so this is far more than a slow reader can fall behind. */
const BACKLOG = 100_000;

/**
 * Runs `work` and yields what it reports, then throws what it threw. When the reader goes, `signal` aborts and the end
 * of the work is awaited, so that nothing runs on behind it.
 */
export async function* progressOf(
  work: (report: Report, signal: AbortSignal) => Promise<void>,
  outer: AbortSignal,
): AsyncGenerator<ProgressMessage> {
  const controller = new AbortController();
  const signal = AbortSignal.any([outer, controller.signal]);
  const queue = new AsyncQueue<ProgressMessage>({ capacity: BACKLOG, onOverflow: 'fail' });
  const done = work((message) => queue.push(message), signal).then(
    () => queue.end(),
    (error) => queue.end(error),
  );
  try {
    yield* queue;
  } finally {
    controller.abort(new Error('nobody reads the progress any more'));
    await done;
  }
}

/** Nobody reads faster; and many may read the progress of one pull, each over a connection that costs its own. */
const STEP_MS = 100;

/** Reports how far one thing is: what a tenth of a second brings is told together, the end at once. */
export function byteProgress(
  report: Report,
  clock: Clock,
  { id, status, totalBytes }: { id: string; status: string; totalBytes: number },
): (currentBytes: number) => void {
  const stepBytes = Math.max(512 * 1024, Math.floor(totalBytes / 100));
  let current = 0;
  let nextBytes = 0;
  let pause: Disposable | undefined;
  const tell = () => {
    pause?.[Symbol.dispose]();
    pause = undefined;
    nextBytes = current + stepBytes;
    report({ status, progressDetail: { current, total: totalBytes }, id });
  };
  const tellLater = () => {
    pause = undefined;
    if (current >= nextBytes) tellNow();
  };
  const tellNow = () => {
    tell();
    pause = clock.timer(STEP_MS, tellLater);
  };
  return (currentBytes) => {
    current = currentBytes;
    if (current >= totalBytes) tell();
    else if (pause === undefined && current >= nextBytes) tellNow();
  };
}
