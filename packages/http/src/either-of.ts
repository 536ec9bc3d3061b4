import type { EventEmitter } from 'node:events';

/** Resolves at the first of these events; leaves no listener behind. Never rejects. */
export function eitherOf(emitter: EventEmitter, ...events: readonly string[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settle = () => {
    for (const event of events) emitter.off(event, settle);
    resolve();
  };
  for (const event of events) emitter.on(event, settle);
  return promise;
}
