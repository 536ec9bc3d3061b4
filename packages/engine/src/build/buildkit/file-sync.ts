import type { HostPath } from '@slipway/base';
import { SlipwayError } from '@slipway/base';
import { FileReceiver } from './file-receiver.ts';
import type { Metadata, SessionConnection } from './session-connection.ts';

/** The kinds of fsutil's packets. @see https://github.com/tonistiigi/fsutil/blob/master/types/wire.proto */
export const packetType = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const;

/** Which of the client's files. */
export interface LocalSource {
  readonly name: string;
  readonly excludes: readonly string[];
  readonly followPaths: readonly string[];
}

/**
 * Makes `folder` what the client has of a local source; only files that differ are sent.
 * @returns how many files were sent
 * @throws NotFound when the client does not offer the source
 * @see https://github.com/moby/buildkit/blob/master/session/filesync/filesync.proto
 */
export async function receiveFiles(
  connection: SessionConnection,
  source: LocalSource,
  folder: HostPath,
  { signal, onProgress }: { signal: AbortSignal; onProgress?: (bytes: number) => void },
): Promise<number> {
  using call = connection.open(
    'moby.filesync.v1.FileSync/DiffCopy',
    ['Packet', 'Packet'],
    metadataOf(source),
    { signal },
  );
  using receiver = new FileReceiver(folder);
  let isTold = false;
  let isFinished = false;
  let files = 0;
  let bytes = 0;
  const finishOnce = async () => {
    if (!isTold || isFinished || receiver.waiting > 0) return;
    isFinished = true;
    receiver.finish();
    await call.send({ type: packetType.fin });
  };
  for await (const packet of call.messages) {
    switch (packet.type) {
      case packetType.stat: {
        if (packet.stat === null) {
          isTold = true;
          await finishOnce();
          break;
        }
        const id = receiver.take(packet.stat);
        if (id === undefined) break;
        files++;
        await call.send({ type: packetType.request, ID: id });
        break;
      }
      case packetType.data:
        receiver.write(packet.ID, packet.data);
        bytes += packet.data.byteLength;
        onProgress?.(bytes);
        if (packet.data.byteLength === 0) await finishOnce();
        break;
      case packetType.fin:
        call.endSending();
        break;
      case packetType.error:
        throw new SlipwayError(
          'Internal',
          `the build client could not read its files: ${packet.data.toString()}`,
        );
    }
  }
  await call.done;
  if (!isFinished)
    throw new SlipwayError('DataLoss', `the build client ended ${source.name} before all of it was sent`);
  return files;
}

/** A value that is not ASCII is percent-encoded, and says so in a header beside it. */
function metadataOf({ name, excludes, followPaths }: LocalSource): Metadata {
  const metadata: Record<string, string | readonly string[]> = {};
  const lists = { 'dir-name': [name], 'exclude-patterns': excludes, followpaths: followPaths };
  for (const [key, values] of Object.entries(lists)) {
    if (values.length === 0) continue;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole of ASCII
    const isPlain = values.every((value) => /^[\x00-\x7f]*$/.test(value));
    metadata[key] = isPlain ? values : values.map((value) => encodeURIComponent(value));
    if (!isPlain) metadata[`${key}-encoded`] = '1';
  }
  return metadata;
}
