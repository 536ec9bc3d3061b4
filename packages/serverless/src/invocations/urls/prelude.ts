import { readHead, type UrlAnswer } from './answer.ts';

/** The content type with which a runtime says that a stream begins with status and headers. */
export const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

/** Ends the JSON of the prelude. */
const NULS = Buffer.alloc(8);
const MAX_PRELUDE_BYTES = 64 * 1024;

/** A streamed answer: its head is known, its body comes. */
export interface StreamedAnswer extends Pick<UrlAnswer, 'status' | 'headers'> {
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Reads status and headers from the start of a stream; undefined when it does not begin as it must.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
 */
export async function readPrelude(
  stream: AsyncIterableIterator<Uint8Array>,
  hasCors: boolean,
): Promise<StreamedAnswer | undefined> {
  let start = Buffer.alloc(0);
  for (;;) {
    const end = start.indexOf(NULS);
    if (end !== -1) {
      const head = parse(start.subarray(0, end), hasCors);
      if (head === undefined) break;
      return { ...head, body: continued(start.subarray(end + NULS.byteLength), stream) };
    }
    const next = start.byteLength > MAX_PRELUDE_BYTES ? undefined : await stream.next();
    if (next === undefined || next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  await stream.return?.();
  return undefined;
}

function parse(json: Buffer, hasCors: boolean): ReturnType<typeof readHead> {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    return typeof value === 'object' && value !== null
      ? readHead(value as Record<string, unknown>, hasCors)
      : undefined;
  } catch {
    return undefined;
  }
}

async function* continued(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.byteLength > 0) yield first;
  yield* rest;
}
