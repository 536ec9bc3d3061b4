import { closeSync, constants, openSync, readSync } from 'node:fs';
import { isSlipwayError } from '@slipway/base';
import { decompressArchive, LayerWriter, syscalls, type TarEntry, TarParser } from '@slipway/store';
import type { Ids } from './destination.ts';
import type { Tree } from './tree.ts';

const CHUNK_BYTES = 256 << 10;
const TAR_BLOCK_BYTES = 512;
const MAGICS = [
  [0x1f, 0x8b],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  [0x42, 0x5a, 0x68],
];

/**
 * Whether a file is what ADD unpacks: a tar, perhaps compressed. A compressed file that holds none is a file:
 * `ADD page.html.gz /` copies it.
 */
export async function isArchive(tree: Tree, path: string): Promise<boolean> {
  const head = readHead(tree, path);
  if (head === undefined) return false;
  const isCompressed = MAGICS.some((magic) => magic.every((byte, at) => head[at] === byte));
  return isCompressed ? await holdsArchive(tree, path) : isTarHeader(head);
}

/** The first block; undefined for what is no regular file. */
function readHead(tree: Tree, path: string): Buffer | undefined {
  if (tree.stat(path)?.isFile() !== true) return undefined;
  const fd = openFile(tree, path);
  try {
    const head = Buffer.alloc(TAR_BLOCK_BYTES);
    readSync(fd, head);
    return head;
  } finally {
    closeSync(fd);
  }
}

/** Unpacks into a folder that is there, everything as the archive says unless an owner is given. */
export async function unpackArchive(
  source: Tree,
  path: string,
  into: Tree,
  folder: string,
  { owner, signal }: { readonly owner: Ids | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const target = into.open(folder);
  try {
    using writer = new LayerWriter(`/proc/self/fd/${target}`, { whiteouts: 'none' });
    const parser = new TarParser({
      entry: (entry: TarEntry) => writer.entry(owner === undefined ? entry : { ...entry, ...owner }),
      data: (chunk, offset) => writer.data(chunk, offset),
      endEntry: () => writer.endEntry(),
    });
    for await (const chunk of decompressArchive(readFile(source, path))) {
      signal.throwIfAborted();
      parser.push(chunk);
    }
    parser.end();
    writer.finish();
  } finally {
    syscalls.close(target);
  }
}

async function holdsArchive(tree: Tree, path: string): Promise<boolean> {
  try {
    let head = Buffer.alloc(0);
    for await (const chunk of decompressArchive(readFile(tree, path))) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= TAR_BLOCK_BYTES) break;
    }
    return head.length >= TAR_BLOCK_BYTES && isTarHeader(head);
  } catch (error) {
    if (isSlipwayError(error, 'DataLoss')) return false;
    throw error;
  }
}

async function* readFile(tree: Tree, path: string): AsyncGenerator<Buffer> {
  const fd = openFile(tree, path);
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(fd, chunk);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

function openFile(tree: Tree, path: string): number {
  const fd = tree.open(path);
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
  } finally {
    syscalls.close(fd);
  }
}

/** By the header's checksum, so that V7 archives without `ustar` count too. */
function isTarHeader(block: Buffer): boolean {
  const stored = Number.parseInt(
    block
      .toString('latin1', 148, 156)
      .replace(/[\0 ]+$/, '')
      .trim(),
    8,
  );
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  return stored === sum;
}
