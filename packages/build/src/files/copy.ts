import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { nextTurn } from '@slipway/base';
import { syscalls } from '@slipway/store';
import { Destination, type Ids, split } from './destination.ts';
import { applyMode } from './mode.ts';
import { type Match, matchSelection, type Selected, type Selection, walkMatch } from './select.ts';
import { cleanPath, joinPath, type Tree, toLatin1 } from './tree.ts';
import { isArchive, unpackArchive } from './unpack.ts';
import { readXattrs } from './xattrs.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, S_IFMT } = constants;
const { close, fchmodat, fchownat, futimens, linkat, lsetxattr, mknodat, openat, symlinkat, utimensat } =
  syscalls;

const CHUNK_BYTES = 512 << 10;
const FILES_PER_TURN = 64;
const BYTES_PER_TURN = 8 << 20;

export interface CopyRequest extends Selection {
  /** In the destination; a slash at its end says that it is a folder. */
  readonly destination: string;
  /** Undefined: owners stay as they are in the source. */
  readonly owner: Ids | undefined;
  /** Undefined: an archive's files belong to whom it says. */
  readonly archiveOwner: Ids | undefined;
  readonly mode: string | undefined;
  readonly unpack: boolean;
  /** The source is a file system of images, whose files have attributes of their own. */
  readonly keepsXattrs: boolean;
  readonly signal: AbortSignal;
}

/**
 * Copies what a selection names into a root file system: owners, modes, times, attributes, links and hard links.
 * @throws NotFound when the selection names nothing; InvalidArgument when a folder would have to become a file
 */
export async function copyFiles(source: Tree, into: Tree, request: CopyRequest): Promise<void> {
  const destination = new Destination(into);
  try {
    const copy = new Copy(source, destination, request);
    const matches = matchSelection(source, request);
    for (const match of matches) await copy.match(match, matches.length > 1);
  } finally {
    destination.close();
  }
}

class Copy {
  readonly #source: Tree;
  readonly #into: Destination;
  readonly #request: CopyRequest;
  /** Where an inode with more than one name went. */
  readonly #links = new Map<string, string>();
  #files = 0;
  #bytes = 0;

  constructor(source: Tree, into: Destination, request: CopyRequest) {
    this.#source = source;
    this.#into = into;
    this.#request = request;
  }

  async match(match: Match, isOneOfSeveral: boolean): Promise<void> {
    const { excludes, unpack } = this.#request;
    const isFolder = this.#source.stat(match.path)?.isDirectory() === true;
    if (!isFolder && unpack && (await isArchive(this.#source, match.path))) {
      const folder = this.#resolved(cleanPath(toLatin1(this.#request.destination)));
      this.#into.makeFolders(folder, this.#ids());
      const { archiveOwner: owner, signal } = this.#request;
      await unpackArchive(this.#source, match.path, this.#into.tree, folder, { owner, signal });
      return;
    }
    const target = this.#targetOf(match, isFolder, isOneOfSeveral);
    this.#into.makeFolders(split(target).parent, this.#ids());
    const times: { path: string; stats: BigIntStats }[] = [];
    for (const selected of walkMatch(this.#source, match, excludes)) {
      const path = selected.path === '' ? target : joinPath(target, selected.path);
      if (this.#put(path, selected)) times.push({ path, stats: selected.stats });
      await this.#breathe(Number(selected.stats.size));
    }
    // What is put into a folder changes its times.
    for (const { path, stats } of times.reverse()) {
      const { parent, base } = split(path);
      utimensat(this.#into.folder(parent), Buffer.from(base, 'latin1'), stats.mtimeNs, stats.mtimeNs);
    }
  }

  #targetOf(match: Match, isFolder: boolean, isOneOfSeveral: boolean): string {
    const { destination, parents, contentsOnly } = this.#request;
    const path = this.#resolved(cleanPath(toLatin1(destination)));
    if (parents) return joinPath(path, match.kept);
    if (isFolder && contentsOnly) return path;
    const intoFolder =
      isOneOfSeveral ||
      /(?:^|\/)\.?$/.test(destination) ||
      this.#into.tree.stat(path)?.isDirectory() === true;
    return intoFolder ? joinPath(path, match.kept) : path;
  }

  /** With the links on the way followed, also to a file that is to be replaced. */
  #resolved(path: string): string {
    const there = this.#into.tree.resolve(path);
    if (there !== undefined || path === '') return there ?? '';
    const { parent, base } = split(path);
    return joinPath(this.#resolved(parent), base);
  }

  /** Makes one file, folder or link; answers whether a folder was made. */
  #put(path: string, { fd, stats }: Selected): boolean {
    if (path === '') return false;
    const { parent, base } = split(path);
    const parentFd = this.#into.folder(parent);
    const ids = this.#request.owner ?? { uid: Number(stats.uid), gid: Number(stats.gid) };
    const mode = this.#modeOf(stats);
    if (stats.isDirectory()) {
      const made = this.#into.makeFolder(path, parentFd, base, ids, mode);
      if (made) this.#copyXattrs(fd, Buffer.from(`/proc/self/fd/${parentFd}/${base}`, 'latin1'), 'keep');
      return made;
    }
    if (stats.isSocket()) return false;
    this.#into.clear(path, parentFd, base);
    if (this.#linkTo(path, parentFd, base, stats)) return false;
    const name = Buffer.from(base, 'latin1');
    if (stats.isFile()) {
      this.#copyFile(fd, stats, parentFd, name, ids, mode);
      return false;
    }
    if (stats.isSymbolicLink()) symlinkat(syscalls.readlinkFd(fd), parentFd, name);
    else {
      const [major, minor] = [syscalls.majorOf(stats.rdev), syscalls.minorOf(stats.rdev)];
      mknodat(parentFd, name, Number(stats.mode & BigInt(S_IFMT)) | 0o600, major, minor);
    }
    fchownat(parentFd, name, ids.uid, ids.gid);
    if (!stats.isSymbolicLink()) fchmodat(parentFd, name, mode);
    utimensat(parentFd, name, stats.mtimeNs, stats.mtimeNs);
    return false;
  }

  #linkTo(path: string, parentFd: number, base: string, stats: BigIntStats): boolean {
    if (stats.nlink < 2n) return false;
    const inode = `${stats.dev}:${stats.ino}`;
    const first = this.#links.get(inode);
    if (first === undefined) {
      this.#links.set(inode, path);
      return false;
    }
    const { parent, base: firstBase } = split(first);
    const firstFd = this.#into.tree.open(parent);
    try {
      linkat(firstFd, Buffer.from(firstBase, 'latin1'), parentFd, Buffer.from(base, 'latin1'));
    } finally {
      close(firstFd);
    }
    return true;
  }

  #copyFile(fd: number, stats: BigIntStats, parentFd: number, name: Buffer, ids: Ids, mode: number): void {
    const from = openSync(`/proc/self/fd/${fd}`, O_RDONLY | O_NONBLOCK);
    try {
      const to = openat(parentFd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        copyBytes(from, to);
        // The owner first: changing it takes away setuid and file capabilities.
        if (ids.uid !== 0 || ids.gid !== 0) fchownSync(to, ids.uid, ids.gid);
        fchmodSync(to, mode);
        this.#copyXattrs(fd, `/proc/self/fd/${to}`, 'follow');
        futimens(to, stats.mtimeNs, stats.mtimeNs);
      } finally {
        close(to);
      }
    } finally {
      closeSync(from);
    }
  }

  #copyXattrs(fd: number, path: string | Buffer, links: 'keep' | 'follow'): void {
    if (!this.#request.keepsXattrs) return;
    for (const [name, value] of readXattrs(fd)) lsetxattr(path, name, value, links);
  }

  #modeOf(stats: BigIntStats): number {
    const { mode } = this.#request;
    const bits = Number(stats.mode & 0o7777n);
    return mode === undefined ? bits : applyMode(mode, bits, stats.isDirectory());
  }

  #ids(): Ids {
    return this.#request.owner ?? { uid: 0, gid: 0 };
  }

  /** Lets others have the thread from time to time. */
  async #breathe(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (++this.#files < FILES_PER_TURN && this.#bytes < BYTES_PER_TURN) return;
    this.#files = 0;
    this.#bytes = 0;
    await nextTurn();
    this.#request.signal.throwIfAborted();
  }
}

/** One for all files: each is copied without a pause. */
let chunk: Buffer | undefined;

function copyBytes(from: number, to: number): void {
  chunk ??= Buffer.allocUnsafe(CHUNK_BYTES);
  for (let length = readSync(from, chunk); length > 0; length = readSync(from, chunk)) {
    for (let written = 0; written < length; ) written += writeSync(to, chunk, written, length - written);
  }
}
