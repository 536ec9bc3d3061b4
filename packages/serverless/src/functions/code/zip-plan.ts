import { posix } from 'node:path';

/** What the central directory of a zip says of one entry. */
export interface ZipEntry {
  readonly name: string;
  /** Of `st_mode`, with the type; 0 where whoever made the zip knows none. */
  readonly unixMode: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly isEncrypted: boolean;
  /** 0 stored, 8 deflated. @see APPNOTE.TXT 4.4.5 */
  readonly method: number;
}

/** What an entry becomes. Paths have neither `.` nor `..`, nor a slash at either end. */
export interface PlannedEntry {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** Permissions alone. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Its place in the central directory. */
  readonly index: number;
}

export interface ZipLimits {
  /** All files' together. */
  readonly unzippedBytes: number;
  readonly entries: number;
}

/** Deflate makes at most 1032 bytes of one; an entry that declares more is a lie. */
const MOST_RATIO = 1100;
const LONGEST_NAME = 255;
const LONGEST_PATH = 4000;
/** Of a symbolic link: what Linux takes. */
const LONGEST_TARGET = 4095;

const TYPE = 0o170000;
const LINK = 0o120000;
const FILE = 0o100000;
const FOLDER = 0o040000;

/** Why a zip is not taken; Lambda says the same of all of them. */
export class BadZip extends Error {}

/** It has more than functions may have unzipped. */
export class ZipTooLarge extends Error {}

/**
 * What is to be written, by path: every entry of the zip checked, before anything is. The last of two entries with one name
 * counts, as unzip has it.
 * @throws BadZip, ZipTooLarge
 */
export function planZip(entries: readonly ZipEntry[], limits: ZipLimits): Map<string, PlannedEntry> {
  if (entries.length > limits.entries) throw new BadZip(`it has more than ${limits.entries} entries`);
  const plan = new Map<string, PlannedEntry>();
  let sizeBytes = 0;
  for (const [index, entry] of entries.entries()) {
    const planned = planEntry(entry, index);
    if (planned === undefined) continue;
    sizeBytes += planned.sizeBytes;
    if (sizeBytes > limits.unzippedBytes) throw new ZipTooLarge();
    const before = plan.get(planned.path);
    if (before !== undefined && before.kind !== planned.kind) {
      throw new BadZip(`${show(planned.path)} is there as a ${before.kind} and as a ${planned.kind}`);
    }
    plan.set(planned.path, planned);
  }
  for (const { path } of plan.values()) {
    for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent)) {
      const above = plan.get(parent);
      if (above !== undefined && above.kind !== 'folder') {
        throw new BadZip(`${show(path)} lies in ${show(parent)}, which is a ${above.kind}`);
      }
    }
  }
  return plan;
}

/** @throws BadZip; undefined for the root itself */
function planEntry(entry: ZipEntry, index: number): PlannedEntry | undefined {
  const { name, unixMode, packedBytes, sizeBytes } = entry;
  if (entry.isEncrypted) throw new BadZip(`${show(name)} is encrypted`);
  if (entry.method !== 0 && entry.method !== 8) {
    throw new BadZip(`${show(name)} is compressed by method ${entry.method}, not stored or deflated`);
  }
  if (sizeBytes > packedBytes * MOST_RATIO) throw new BadZip(`${show(name)} is a zip bomb`);
  const path = plainPath(name);
  if (path === undefined) return undefined;
  const kind = kindOf(name, unixMode);
  if (kind === 'link' && sizeBytes > LONGEST_TARGET) throw new BadZip(`${show(name)} is too long a link`);
  const permissions = unixMode & 0o777;
  const mode = unixMode === 0 ? (kind === 'folder' ? 0o755 : 0o644) : permissions;
  return { path, kind, mode, sizeBytes: kind === 'folder' ? 0 : sizeBytes, index };
}

function kindOf(name: string, unixMode: number): PlannedEntry['kind'] {
  const type = unixMode & TYPE;
  if (name.endsWith('/')) {
    if (type !== 0 && type !== FOLDER) throw new BadZip(`${show(name)} is no folder`);
    return 'folder';
  }
  if (type === LINK) return 'link';
  if (type === FOLDER) return 'folder';
  if (type !== 0 && type !== FILE) throw new BadZip(`${show(name)} is neither a file, a folder nor a link`);
  return 'file';
}

/** Without what says nothing; undefined for the root. @throws BadZip for a name that leads out */
function plainPath(name: string): string | undefined {
  if (name.startsWith('/') || name.includes('\0') || /^[a-zA-Z]:/.test(name)) {
    throw new BadZip(`${show(name)} is no path within the package`);
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new BadZip(`${show(name)} leads out of the package`);
  const path = parts.join('/');
  if (
    Buffer.byteLength(path) > LONGEST_PATH ||
    parts.some((part) => Buffer.byteLength(part) > LONGEST_NAME)
  ) {
    throw new BadZip(`${show(name.slice(0, 100))}… is too long a name`);
  }
  return path === '' ? undefined : path;
}

const MOST_LINKS = 40;

/**
 * Checks that no link leads out of the package, however it is followed: through other links, and back by `..`.
 * @throws BadZip
 */
export function checkLinks(targets: ReadonlyMap<string, string>): void {
  for (const path of targets.keys()) follow(path, targets);
}

function follow(link: string, targets: ReadonlyMap<string, string>): void {
  let followed = 0;
  let at: string[] = [];
  const ahead = link.split('/');
  for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length === 0) throw new BadZip(`the link ${show(link)} leads out of the package`);
      at = at.slice(0, -1);
      continue;
    }
    const target = targets.get([...at, part].join('/'));
    if (target === undefined) {
      at.push(part);
      continue;
    }
    if (target === '' || target.startsWith('/') || target.includes('\0')) {
      throw new BadZip(`the link ${show(link)} leads out of the package`);
    }
    // A circle leads nowhere: opening it fails, which is the function's affair.
    if (++followed > MOST_LINKS) return;
    ahead.unshift(...target.split('/'));
  }
}

const show = (name: string): string => JSON.stringify(name);
