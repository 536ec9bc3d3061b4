/** Waits for a promise that others wait for too, and stops waiting when aborted. @throws the signal's reason */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: abortion, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, abortion]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
