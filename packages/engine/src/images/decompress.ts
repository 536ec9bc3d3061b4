import { SlipwayError } from '@slipway/base';
import { decompress } from '@slipway/store';

const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const BZIP2 = [0x42, 0x5a, 0x68];

/**
 * The bytes of an archive that may be gzip'd or zstd'd, told by how it begins.
 * @throws InvalidArgument for xz and bzip2; DataLoss when the compressed data is broken or ends early
 */
export async function* decompressArchive(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield* decompress(refuseOthers(source));
}

async function* refuseOthers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array(0);
  for await (const chunk of source) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length < XZ.length) continue;
    refuse(head);
    yield head;
    head = undefined;
  }
  if (head !== undefined && head.length > 0) yield head;
}

function refuse(head: Uint8Array): void {
  const begins = (magic: readonly number[]) => magic.every((byte, index) => head[index] === byte);
  const name = begins(XZ) ? 'xz' : begins(BZIP2) ? 'bzip2' : undefined;
  if (name === undefined) return;
  throw new SlipwayError(
    'InvalidArgument',
    `the archive is compressed with ${name}, which is not supported: decompress it first (${name} -d), or use gzip or zstd`,
  );
}
