import { aborted, type Clock, nextTurn } from '@slipway/base';
import type { ReceiveItems } from '../source.ts';

/** Reads an iterator by the batch: waits for the first item, then takes what is there without waiting. */
export function takeReady<T>(
  iterator: AsyncIterator<T>,
  clock: Clock,
): (request: ReceiveItems) => Promise<T[]> {
  /** Asked for and not yet taken. */
  let next: Promise<IteratorResult<T>> | undefined;
  return async ({ max, waitMs, signal }) => {
    const items: T[] = [];
    while (items.length < max) {
      next ??= iterator.next();
      const result = await (items.length === 0 ? within(next, waitMs, signal, clock) : ready(next));
      if (result === undefined) break;
      next = undefined;
      if (result.done === true) {
        if (items.length > 0) break;
        throw new Error('the server ended the connection');
      }
      items.push(result.value);
    }
    return items;
  };
}

async function within<T>(
  next: Promise<T>,
  ms: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<T | undefined> {
  const elapsed = Promise.withResolvers<undefined>();
  using _timer = clock.timer(ms, () => elapsed.resolve(undefined));
  return await Promise.race([next, elapsed.promise, aborted(signal).then(() => undefined)]);
}

/** What is there, or will be by the next turn. */
const ready = <T>(next: Promise<T>): Promise<T | undefined> =>
  Promise.race([next, nextTurn().then(() => undefined)]);
