import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type HostPath, SlipwayError } from '@slipway/base';
import { kindOfGoMode, permissionsOfGoMode } from './go-mode.ts';

/** What fsutil's STAT tells of a file. Times in nanoseconds, rounded as a double rounds them. */
export interface FileStat {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly modTime: number;
  readonly linkname: string;
}

interface Arriving {
  readonly path: string;
  readonly stat: FileStat;
  fd: number | undefined;
}

/** Times are kept as doubles of seconds by utimes, and of nanoseconds by the wire: both are right to a microsecond. */
const SAME_TIME_NS = 1_000;

/**
 * Makes a folder what a client tells of its own: the sender's STATs in order, then the data of those that `take` asked
 * for. What is there already with the same type, mode, size and time is not asked for again. The calls are synchronous:
 * a context has thousands of small files, and each is some microseconds.
 */
export class FileReceiver {
  readonly #root: HostPath;
  readonly #directories = new Map<string, FileStat>([['', rootStat]]);
  readonly #seen = new Set<string>();
  readonly #links: FileStat[] = [];
  readonly #arriving = new Map<number, Arriving>();
  #nextId = 0;

  constructor(root: HostPath) {
    this.#root = root;
  }

  /** How many files were asked for and are not here yet. */
  get waiting(): number {
    return this.#arriving.size;
  }

  /**
   * Takes the next STAT. Returns the number to ask its data by; undefined when none is needed.
   * @throws InvalidArgument for a path that leaves the folder or whose folder was not told
   */
  take(stat: FileStat): number | undefined {
    const id = this.#nextId++;
    const path = this.#pathOf(stat.path);
    this.#seen.add(stat.path);
    const kind = kindOfGoMode(stat.mode);
    const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    switch (kind) {
      case 'directory':
        this.#directories.set(stat.path, stat);
        if (there?.isDirectory() !== true) {
          if (there !== undefined) unlinkSync(path);
          mkdirSync(path, 0o700);
        }
        return undefined;
      case 'symlink':
        if (there?.isSymbolicLink() && readlinkSync(path) === stat.linkname) return undefined;
        this.#remove(path, there);
        symlinkSync(stat.linkname, path);
        lchownSync(path, stat.uid, stat.gid);
        return undefined;
      case 'special':
        this.#remove(path, there);
        return undefined;
      case 'file':
        return this.#takeFile(id, path, stat, there);
    }
  }

  #takeFile(id: number, path: string, stat: FileStat, there: BigIntStats | undefined): number | undefined {
    if (stat.linkname !== '') {
      this.#pathOf(stat.linkname);
      this.#links.push(stat);
      return undefined;
    }
    if (there !== undefined && isSame(there, stat)) return undefined;
    this.#remove(path, there);
    this.#arriving.set(id, { path, stat, fd: undefined });
    return id;
  }

  /** Data of a file that was asked for; none ends it. @throws InvalidArgument for data that nobody asked for */
  write(id: number, data: Uint8Array): void {
    const file = this.#arriving.get(id);
    if (file === undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `the build client sent data of file ${id}, which was not asked for`,
      );
    }
    file.fd ??= openSync(
      file.path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    if (data.byteLength > 0) {
      for (let at = 0; at < data.byteLength; ) at += writeSync(file.fd, data, at);
      return;
    }
    this.#arriving.delete(id);
    const { stat, fd } = file;
    try {
      fchownSync(fd, stat.uid, stat.gid);
      fchmodSync(fd, permissionsOfGoMode(stat.mode));
      futimesSync(fd, stat.modTime / 1e9, stat.modTime / 1e9);
    } finally {
      closeSync(fd);
    }
  }

  /** Removes what was not told, makes hard links, and gives folders their modes and times. */
  finish(): void {
    this.#removeOthers('');
    for (const link of this.#links) this.#link(link);
    for (const [path, stat] of [...this.#directories].reverse()) {
      if (path === '') continue;
      const at = join(this.#root, path);
      lchownSync(at, stat.uid, stat.gid);
      chmodSync(at, permissionsOfGoMode(stat.mode));
      lutimesSync(at, stat.modTime / 1e9, stat.modTime / 1e9);
    }
  }

  /** Closes what a transfer that broke off left open. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#arriving.values()) if (fd !== undefined) closeSync(fd);
    this.#arriving.clear();
  }

  #pathOf(path: string): string {
    const parts = path.split('/');
    if (
      path === '' ||
      parts.some((part) => part === '' || part === '.' || part === '..') ||
      path.includes('\0')
    ) {
      throw new SlipwayError('InvalidArgument', `the build client sent the path ${JSON.stringify(path)}`);
    }
    // Only folders that this transfer told of, and that it saw to be folders, are walked through.
    const parent = dirname(path);
    if (!this.#directories.has(parent === '.' ? '' : parent)) {
      throw new SlipwayError('InvalidArgument', `the build client sent ${path} without its folder before it`);
    }
    return join(this.#root, path);
  }

  #remove(path: string, there: BigIntStats | undefined): void {
    if (there === undefined) return;
    if (there.isDirectory()) rmSync(path, { recursive: true, force: true });
    else unlinkSync(path);
  }

  #link({ path, linkname }: FileStat): void {
    const [from, to] = [join(this.#root, linkname), join(this.#root, path)];
    const [source, there] = [lstatSync(from), lstatSync(to, { throwIfNoEntry: false })];
    if (there?.ino === source.ino) return;
    if (there !== undefined) rmSync(to, { recursive: true, force: true });
    linkSync(from, to);
  }

  #removeOthers(folder: string): void {
    for (const entry of readdirSync(join(this.#root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (!this.#seen.has(path)) rmSync(join(this.#root, path), { recursive: true, force: true });
      else if (this.#directories.has(path)) this.#removeOthers(path);
    }
  }
}

const rootStat: FileStat = { path: '', mode: 0, uid: 0, gid: 0, size: 0, modTime: 0, linkname: '' };

function isSame(there: BigIntStats, stat: FileStat): boolean {
  return (
    there.isFile() &&
    there.size === BigInt(stat.size) &&
    Number(there.mode & 0o7777n) === permissionsOfGoMode(stat.mode) &&
    Number(there.uid) === stat.uid &&
    Number(there.gid) === stat.gid &&
    Math.abs(Number(there.mtimeNs) - stat.modTime) <= SAME_TIME_NS
  );
}
