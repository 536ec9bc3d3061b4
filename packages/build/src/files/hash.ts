import { createHash, type Hash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, openSync, readSync } from 'node:fs';
import { nextTurn } from '@slipway/base';
import { computeDigest, type Digest } from '@slipway/oci';
import { syscalls } from '@slipway/store';
import { matchSelection, type Selection, walkMatch } from './select.ts';
import type { Tree } from './tree.ts';
import { readXattrs } from './xattrs.ts';

const READ_BYTES = 256 << 10;
const FILES_PER_TURN = 128;
const MAX_REMEMBERED = 400_000;

/** What files hash to, known again by inode, size and times as long as the process lives. */
export class FileHashes {
  readonly #known = new Map<string, Buffer>();

  /** The SHA-256 of a regular file's bytes. `fd` is open with O_PATH. */
  of(fd: number, stats: BigIntStats): Buffer {
    const key = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const hash = hashFile(fd);
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(key, hash);
    return hash;
  }
}

export interface HashOptions {
  readonly hashes: FileHashes;
  /** Owners and attributes count: the files come from an image, and keep them. */
  readonly withOwners: boolean;
  readonly signal: AbortSignal;
}

/**
 * What a selection's files are: names, kinds, modes, where links lead, bytes; not times. Two selections with the same digest
 * copy alike.
 * @throws NotFound when it selects nothing
 */
export async function hashSelection(tree: Tree, selection: Selection, options: HashOptions): Promise<Digest> {
  const hash = createHash('sha256');
  let files = 0;
  for (const match of matchSelection(tree, selection)) {
    const isNamed = !(selection.contentsOnly && tree.stat(match.path)?.isDirectory()) || selection.parents;
    hash.update(`match\0${isNamed ? match.kept : ''}\0`, 'latin1');
    for (const { path, fd, stats } of walkMatch(tree, match, selection.excludes)) {
      hash.update(`${path}\0${describe(stats, options.withOwners)}\0`, 'latin1');
      if (stats.isSymbolicLink()) hash.update(syscalls.readlinkFd(fd)).update('\0');
      else if (stats.isFile()) hash.update(options.hashes.of(fd, stats));
      if (options.withOwners && !stats.isSymbolicLink()) addXattrs(hash, fd);
      if (++files % FILES_PER_TURN === 0) {
        await nextTurn();
        options.signal.throwIfAborted();
      }
    }
  }
  return computeDigest(hash.digest());
}

function describe(stats: BigIntStats, withOwners: boolean): string {
  const device = stats.isCharacterDevice() || stats.isBlockDevice() ? stats.rdev : 0n;
  const mode = stats.isSymbolicLink() ? stats.mode & BigInt(constants.S_IFMT) : stats.mode;
  return [mode.toString(8), device, ...(withOwners ? [stats.uid, stats.gid] : [])].join(' ');
}

function addXattrs(hash: Hash, fd: number): void {
  for (const [name, value] of readXattrs(fd)) hash.update(`${name}\0${value.length}\0`).update(value);
}

/** One for all files: each is hashed without a pause. */
let chunk: Buffer | undefined;

function hashFile(fd: number): Buffer {
  const file = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const hash = createHash('sha256');
    chunk ??= Buffer.allocUnsafe(READ_BYTES);
    for (;;) {
      const length = readSync(file, chunk);
      if (length === 0) return hash.digest();
      hash.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}
