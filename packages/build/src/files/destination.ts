import { constants, fstatSync } from 'node:fs';
import { isErrno, SlipwayError } from '@slipway/base';
import { syscalls } from '@slipway/store';
import { fromLatin1, type Tree } from './tree.ts';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const { close, fchmodat, fchownat, mkdirat, O_PATH, openat, unlinkat } = syscalls;

/** Who owns what is made. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The root file system that a build step writes to. Paths are relative to its root, in latin1. */
export class Destination {
  readonly tree: Tree;
  /** The folder that was written to last, for files come folder by folder. */
  #folder: { readonly path: string; readonly fd: number } | undefined;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  /**
   * Makes a folder and those above it where they are missing; what is there keeps what it is.
   * @throws InvalidArgument where something that is no folder stands in the way
   */
  makeFolders(path: string, ids: Ids, mode = 0o755): void {
    if (path === '' || this.#isFolder(path)) return;
    const { parent, base } = split(path);
    this.makeFolders(parent, ids);
    this.makeFolder(path, this.folder(parent), base, ids, mode);
  }

  /** Makes one folder; answers false where there is one. */
  makeFolder(path: string, parentFd: number, base: string, ids: Ids, mode: number): boolean {
    const name = Buffer.from(base, 'latin1');
    try {
      mkdirat(parentFd, name, mode);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      if (this.#isFolder(path)) return false;
      throw new SlipwayError('InvalidArgument', `cannot copy to non-directory: /${fromLatin1(path)}`);
    }
    fchownat(parentFd, name, ids.uid, ids.gid);
    fchmodat(parentFd, name, mode);
    return true;
  }

  /** A folder that is there, open until another one is asked for. */
  folder(path: string): number {
    if (this.#folder?.path === path) return this.#folder.fd;
    this.close();
    const fd = this.tree.open(path, O_PATH | O_DIRECTORY);
    this.#folder = { path, fd };
    return fd;
  }

  /** Takes away what a file is to replace. @throws InvalidArgument for a folder */
  clear(path: string, parentFd: number, base: string): void {
    const name = Buffer.from(base, 'latin1');
    let fd: number;
    try {
      fd = openat(parentFd, name, O_PATH | O_NOFOLLOW);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    try {
      if (fstatSync(fd).isDirectory()) {
        throw new SlipwayError(
          'InvalidArgument',
          `cannot replace to directory /${fromLatin1(path)} with file`,
        );
      }
    } finally {
      close(fd);
    }
    unlinkat(parentFd, name);
  }

  close(): void {
    if (this.#folder !== undefined) close(this.#folder.fd);
    this.#folder = undefined;
  }

  #isFolder(path: string): boolean {
    return this.tree.stat(path)?.isDirectory() === true;
  }
}

export function split(path: string): { parent: string; base: string } {
  const slash = path.lastIndexOf('/');
  return slash < 0
    ? { parent: '', base: path }
    : { parent: path.slice(0, slash), base: path.slice(slash + 1) };
}
