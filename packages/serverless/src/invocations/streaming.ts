import { AsyncQueue } from '@slipway/base';
import type { ResponseSink } from '../environments/index.ts';
import type { InvokeRequest, InvokeResult, Invoker } from './invoker.ts';

/** A response while it comes. */
export interface StreamedResponse {
  /** What the function says it sends; undefined when it ended without having begun to answer. */
  readonly contentType: string | undefined;
  /** Ends when the function has said all; a reader that leaves lets the function go on, unheard. */
  readonly body: AsyncIterableIterator<Uint8Array>;
  /** How the invocation ended; settles after the body. */
  readonly result: Promise<InvokeResult>;
}

/** How much of a response may wait for a slow client before the function is made to wait. Unit: bytes. */
const BUFFER_BYTES = 256 * 1024;

/**
 * Invokes, and resolves as soon as the function begins to answer, or has ended without.
 * @throws what `Invoker.invoke` throws
 */
export async function invokeStreaming(
  invoker: Invoker,
  request: Omit<InvokeRequest, 'sink'>,
  options: { readonly signal: AbortSignal },
): Promise<StreamedResponse> {
  const body = new AsyncQueue<Uint8Array>({
    capacity: BUFFER_BYTES,
    onOverflow: 'wait',
    weigh: (chunk: Uint8Array) => chunk.byteLength,
  });
  const begun = Promise.withResolvers<string>();
  const sink: ResponseSink = {
    begin: begun.resolve,
    write: (bytes) => body.pushWhenRoom(bytes),
  };
  const result = invoker.invoke({ ...request, sink }, options);
  result.then(
    () => body.end(),
    (error) => body.end(error),
  );
  const contentType = await Promise.race([begun.promise, result.then(() => undefined)]);
  return { contentType, body, result };
}
