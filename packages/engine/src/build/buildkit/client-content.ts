import { isSlipwayError, SlipwayError } from '@slipway/base';
import type { Descriptor } from '@slipway/oci';
import type { WritableBlobs } from '../cache/export.ts';
import type { ForeignBlobs } from '../cache/import.ts';
import type { Call, SessionConnection } from './session-connection.ts';

const SERVICE = 'containerd.services.content.v1.Content';

/** Of a message; clients take at most 16 MiB. */
const CHUNK_BYTES = 1 << 20;

/** @see https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto */
const writeAction = { stat: 0, write: 1, commit: 2 } as const;

/**
 * A folder with blobs that the client of a build serves: its local cache. What is there is not written again.
 * @see https://github.com/moby/buildkit/tree/master/session/content
 */
export function clientContent(
  connection: SessionConnection,
  folder: string,
  { signal: outer }: { readonly signal: AbortSignal },
): ForeignBlobs & WritableBlobs {
  const metadata = { 'buildkit-attachable-store-id': `local:${folder}` };
  const open = (method: string, types: readonly [string, string], signal: AbortSignal = outer): Call =>
    connection.open(`${SERVICE}/${method}`, types, metadata, { signal });
  return {
    async *openBlob({ digest }, { offset = 0, signal }) {
      using call = open('Read', ['ReadContentRequest', 'ReadContentResponse'], signal);
      await call.send({ digest, offset });
      call.endSending();
      for await (const { data } of call.messages) yield data as Uint8Array;
      await call.done;
    },
    async has(digest) {
      using call = open('Info', ['InfoRequest', 'ContentInfoResponse']);
      await call.send({ digest });
      call.endSending();
      for await (const _ of call.messages);
      return await call.done.then(
        () => true,
        (error: unknown) => {
          if (isSlipwayError(error, 'NotFound')) return false;
          throw error;
        },
      );
    },
    async write({ digest, size }, bytes) {
      using call = open('Write', ['WriteContentRequest', 'WriteContentResponse']);
      try {
        await writeBlob(call, { digest, size }, bytes);
      } catch (error) {
        if (!isSlipwayError(error, 'AlreadyExists')) throw error;
      }
    },
  };
}

/** Each request is answered before the next one goes. */
async function writeBlob(
  call: Call,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const answers = call.messages[Symbol.asyncIterator]();
  const ask = async (request: object): Promise<{ offset: number }> => {
    await call.send(request);
    const { done, value } = await answers.next();
    if (!done) return value;
    await call.done;
    throw new SlipwayError('DataLoss', `the build client ended its answer before ${digest} was written`);
  };
  const ref = `slipway-${digest}`;
  const { offset: begun } = await ask({ action: writeAction.stat, ref, total: size, expected: digest });
  let at = 0;
  for await (const chunk of bytes) {
    for (let from = 0; from < chunk.byteLength; from += CHUNK_BYTES) {
      const data = chunk.subarray(from, from + CHUNK_BYTES);
      const end = at + data.byteLength;
      // An earlier write that was cut off may have left its beginning.
      if (end > begun) {
        const rest = data.subarray(Math.max(0, begun - at));
        await ask({ action: writeAction.write, ref, offset: Math.max(at, begun), data: rest });
      }
      at = end;
    }
  }
  await ask({ action: writeAction.commit, ref, total: size, offset: size, expected: digest });
  call.endSending();
}
