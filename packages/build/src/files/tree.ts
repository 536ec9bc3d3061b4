import { type BigIntStats, constants, fstatSync, readdirSync, readlinkSync } from 'node:fs';
import { isErrno } from '@slipway/base';
import { createGlob, hasWildcard, unescapeGlob } from '@slipway/dockerfile';
import { syscalls } from '@slipway/store';

const { O_DIRECTORY, O_NOFOLLOW } = constants;
const { AT_FDCWD, close, O_PATH, openat, openat2, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } = syscalls;

/**
 * A folder whose names are resolved as by a process that has it as `/`: by the kernel, so that no link in it, whoever made
 * it, and whoever changes it meanwhile, leads out. Paths are relative to it, in latin1: each character one byte of the name.
 */
export class Tree implements Disposable {
  readonly fd: number;
  readonly #hostPath: string;

  constructor(rootPath: string) {
    this.fd = openat(AT_FDCWD, rootPath, O_PATH | O_DIRECTORY);
    this.#hostPath = readlinkSync(`/proc/self/fd/${this.fd}`, 'latin1');
  }

  /** Opens with O_PATH by default. @throws Node's kind of error */
  open(path: string, flags: number = O_PATH): number {
    const name = Buffer.from(path === '' ? '/' : path, 'latin1');
    return openat2(this.fd, name, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  }

  /** Undefined where nothing is. Links are followed; with O_NOFOLLOW not the last one. */
  find(path: string, flags: number = O_PATH): number | undefined {
    try {
      return this.open(path, flags);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  }

  stat(path: string, flags: number = O_PATH): BigIntStats | undefined {
    const fd = this.find(path, flags);
    if (fd === undefined) return undefined;
    try {
      return fstatSync(fd, { bigint: true });
    } finally {
      close(fd);
    }
  }

  /** Where `path` is with all links followed, without a slash at its ends; undefined where nothing is. */
  resolve(path: string): string | undefined {
    const fd = this.find(path);
    if (fd === undefined) return undefined;
    try {
      return readlinkSync(`/proc/self/fd/${fd}`, 'latin1').slice(this.#hostPath.length).replace(/^\//, '');
    } finally {
      close(fd);
    }
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** The names in an open folder, sorted by their bytes. */
export function childNames(fd: number): string[] {
  const names = readdirSync(`/proc/self/fd/${fd}/.`, { encoding: 'latin1' });
  return names.sort((a, b) => (a < b ? -1 : 1));
}

/** An open child, the link itself when it is one; undefined when it has vanished. */
export function openChild(fd: number, name: string): number | undefined {
  try {
    return openat(fd, Buffer.from(name, 'latin1'), O_PATH | O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export const toLatin1 = (text: string): string => Buffer.from(text).toString('latin1');
export const fromLatin1 = (name: string): string => Buffer.from(name, 'latin1').toString();

/** `/a/./b/../c/` as `a/c`. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return kept.join('/');
}

/**
 * What a source names in a tree, wildcards (`**` too) resolved, in the order of names.
 * @param source UTF-8, as the Dockerfile has it
 */
export function expandSource(tree: Tree, source: string): string[] {
  const parts = cleanPath(source)
    .split('/')
    .filter((part) => part !== '');
  let found = [''];
  for (const part of parts) {
    if (!hasWildcard(part)) {
      found = found.map((path) => joinPath(path, toLatin1(unescapeGlob(part))));
      continue;
    }
    found = found.flatMap((path) =>
      part === '**' ? [path, ...below(tree, path)] : matching(tree, path, part),
    );
  }
  return [...new Set(found)].filter((path) => tree.stat(path) !== undefined);
}

function matching(tree: Tree, path: string, pattern: string): string[] {
  const glob = createGlob(pattern, { doubleStar: false });
  return namesIn(tree, path)
    .filter((name) => glob.matches(fromLatin1(name)))
    .map((name) => joinPath(path, name));
}

/** Folders at any depth; links are not gone through, which could turn in circles. */
function below(tree: Tree, path: string): string[] {
  return namesIn(tree, path).flatMap((name) => {
    const child = joinPath(path, name);
    return tree.stat(child, O_PATH | O_NOFOLLOW)?.isDirectory() ? [child, ...below(tree, child)] : [];
  });
}

function namesIn(tree: Tree, path: string): string[] {
  const fd = tree.find(path, O_PATH | O_DIRECTORY);
  if (fd === undefined) return [];
  try {
    return childNames(fd);
  } finally {
    close(fd);
  }
}

export const joinPath = (folder: string, name: string): string =>
  folder === '' ? name : `${folder}/${name}`;
