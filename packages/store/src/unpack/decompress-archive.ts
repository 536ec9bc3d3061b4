import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isErrno, SlipwayError } from '@slipway/base';
import { decompress } from './decompress.ts';

/** What Node cannot read, and the programs that can. */
const TOOLS = [
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], package: 'xz-utils' },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], package: 'bzip2' },
] as const;
const HEAD_BYTES = 6;

/**
 * The bytes of an archive that may be compressed, told by how it begins: gzip and zstd by Node, xz and bzip2 by the programs
 * of those names, as docker does.
 * @throws NotImplemented when the program is not installed; DataLoss when the compressed data is broken or ends early
 */
export async function* decompressArchive(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const iterator = each(source);
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < HEAD_BYTES) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  const whole = rejoin(head, iterator);
  const tool = TOOLS.find(({ magic }) => magic.every((byte, index) => head[index] === byte));
  yield* tool === undefined ? decompress(whole) : throughTool(tool, whole);
}

async function* each(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source;
}

async function* rejoin(head: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

async function* throughTool(
  tool: (typeof TOOLS)[number],
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const child = spawn(tool.name, ['-d', '-c', '-q'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const failure = new Promise<Error | undefined>((resolve) =>
    child.once('error', resolve).once('close', () => resolve(undefined)),
  );
  const closed = once(child, 'close').catch(() => [undefined]);
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  // A program that stops reading says why on its standard error.
  const fed = pipeline(Readable.from(source), child.stdin).catch((error: unknown) => error);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const cause = await failure;
    if (isErrno(cause, 'ENOENT')) {
      throw new SlipwayError(
        'NotImplemented',
        `the archive is compressed with ${tool.name}, which this host does not have: install ${tool.package}, or use gzip or zstd`,
        { cause },
      );
    }
    const [code] = await closed;
    const sourceError = await fed;
    if (code !== 0) {
      throw new SlipwayError(
        'DataLoss',
        `the archive cannot be decompressed: ${words.trim() || `${tool.name} ended with ${code}`}`,
      );
    }
    if (sourceError !== undefined) throw sourceError;
  } finally {
    child.kill('SIGKILL');
  }
}
