import { type Clock, nextTurn } from '@slipway/base';
import type { ReceiveItems } from '../source.ts';

type Settled<T> = { readonly value: IteratorResult<T> } | { readonly error: unknown };

/** Reads an iterator by the batch: waits for the first item, then takes what is there without waiting. */
export function takeReady<T>(
  iterator: AsyncIterator<T>,
  clock: Clock,
): (request: ReceiveItems) => Promise<T[]> {
  let isAsked = false;
  /** Came and was not taken yet. */
  let settled: Settled<T> | undefined;
  let wake = () => {};
  const settle = (result: Settled<T>) => {
    settled = result;
    isAsked = false;
    wake();
  };
  // Asked once for each item, however often somebody waits for it.
  const ask = () => {
    if (isAsked || settled !== undefined) return;
    isAsked = true;
    iterator.next().then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error }),
    );
  };
  const wait = async (ms: number, signal: AbortSignal) => {
    const woken = Promise.withResolvers<void>();
    wake = woken.resolve;
    using _timer = clock.timer(ms, wake);
    signal.addEventListener('abort', wake, { once: true });
    if (signal.aborted) wake();
    await woken.promise;
    signal.removeEventListener('abort', wake);
  };
  return async ({ max, waitMs, signal }) => {
    const items: T[] = [];
    while (items.length < max) {
      ask();
      if (settled === undefined) await (items.length === 0 ? wait(waitMs, signal) : nextTurn());
      const result = settled as Settled<T> | undefined;
      if (result === undefined) break;
      // What went wrong is told when what came before it was taken.
      if ('error' in result || result.value.done === true) {
        if (items.length > 0) break;
        throw 'error' in result ? result.error : new Error('the server ended the connection');
      }
      settled = undefined;
      items.push(result.value.value);
    }
    return items;
  };
}
