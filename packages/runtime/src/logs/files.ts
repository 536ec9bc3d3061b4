import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type HostPath, isErrno } from '@slipway/base';

interface OpenLog {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** A log and its rotated files as one row of bytes, oldest first, that grows and is rotated while it is read. */
export class LogFiles implements AsyncDisposable {
  readonly #path: HostPath;
  #files: OpenLog[];
  #offset = 0;
  /** What the newest file held when the log was opened, where that is all that is wanted. */
  readonly #endOfNewest: number | undefined;

  private constructor(path: HostPath, files: OpenLog[], endOfNewest: number | undefined) {
    this.#path = path;
    this.#files = files;
    this.#endOfNewest = endOfNewest;
  }

  /** `growing`: also what is written from now on; else what is there now, and not more. */
  static async open(path: HostPath, { growing }: { growing: boolean }): Promise<LogFiles> {
    const files = await openGenerations(path);
    const endOfNewest = growing ? undefined : ((await files.at(-1)?.handle.stat())?.size ?? 0);
    return new LogFiles(path, files, endOfNewest);
  }

  /** Goes to the start of the last `count` lines, reading backwards. */
  async seekTail(count: number | undefined): Promise<void> {
    if (count === undefined || count < 0) return;
    // The newline that ends the last line does not begin a further one.
    let missing = count + 1;
    for (let index = this.#files.length - 1; index >= 0; index--) {
      const { handle } = this.#files[index] as OpenLog;
      const newest = index === this.#files.length - 1;
      const size = (newest ? this.#endOfNewest : undefined) ?? (await handle.stat()).size;
      const found = await findFromEnd(handle, size, missing);
      if (found.offset !== undefined) {
        await this.#drop(index);
        this.#offset = found.offset;
        return;
      }
      missing -= found.newlines;
    }
  }

  /** The next bytes, or undefined when there are none now. */
  async read(): Promise<Buffer | undefined> {
    for (;;) {
      const current = this.#files[0];
      if (this.#endOfNewest !== undefined && this.#files.length <= 1) {
        return current && (await this.#readCurrent(current, this.#endOfNewest - this.#offset));
      }
      if (current === undefined) {
        this.#files = await openGenerations(this.#path);
        if (this.#files.length === 0) return undefined;
        continue;
      }
      const bytes = await this.#readCurrent(current);
      if (bytes !== undefined) return bytes;
      if (this.#files.length === 1 && !(await this.#findSuccessors(current))) return undefined;
      // It was rotated; what was written between the last read and that is read before it is left.
      const rest = await this.#readCurrent(current);
      if (rest !== undefined) return rest;
      await this.#drop(1);
      this.#offset = 0;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop(this.#files.length);
  }

  async #readCurrent({ handle }: OpenLog, atMostBytes = CHUNK_BYTES): Promise<Buffer | undefined> {
    if (atMostBytes <= 0) return undefined;
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(atMostBytes, CHUNK_BYTES), this.#offset);
    if (bytesRead > 0) {
      this.#offset += bytesRead;
      return buffer.subarray(0, bytesRead);
    }
    if (this.#endOfNewest !== undefined) return undefined;
    // With a single file, rotation empties it.
    const { size } = await handle.stat();
    if (size >= this.#offset) return undefined;
    this.#offset = 0;
    return size === 0 ? undefined : await this.#readCurrent({ handle, inode: 0n });
  }

  /** Opens the generations after `current`, when the log was rotated since. */
  async #findSuccessors(current: OpenLog): Promise<boolean> {
    const now = await inodeOf(this.#path);
    if (now === undefined || now === current.inode) return false;
    const all = await openGenerations(this.#path);
    const place = all.findIndex(({ inode }) => inode === current.inode);
    const successors = all.slice(place + 1);
    await Promise.all(all.slice(0, place + 1).map(({ handle }) => handle.close()));
    this.#files.push(...successors);
    return successors.length > 0;
  }

  async #drop(count: number): Promise<void> {
    await Promise.all(this.#files.splice(0, count).map(({ handle }) => handle.close()));
  }
}

const MAX_TRIES = 20;

/** All files of the log, oldest first, each once. It is tried again when the log was rotated while they were opened. */
async function openGenerations(path: HostPath): Promise<OpenLog[]> {
  for (let tries = 1; ; tries++) {
    const before = await inodeOf(path);
    const opened = await openEach(await generationNames(path));
    if ((await inodeOf(path)) === before || tries === MAX_TRIES) return opened;
    await Promise.all(opened.map(({ handle }) => handle.close()));
  }
}

async function openEach(names: readonly string[]): Promise<OpenLog[]> {
  const opened = new Map<bigint, OpenLog>();
  for (const name of names) {
    const handle = await open(name).catch((error) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (handle === undefined) continue;
    const { ino } = await handle.stat({ bigint: true });
    if (opened.has(ino)) await handle.close();
    else opened.set(ino, { handle, inode: ino });
  }
  return [...opened.values()].reverse();
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await stat(path, { bigint: true }).catch(() => undefined))?.ino;
}

/** Newest first, with one more than there are, for a rotation meanwhile. */
async function generationNames(path: HostPath): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  const numbers = names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((suffix) => /^\d+$/.test(suffix))
    .map(Number);
  const last = Math.max(0, ...numbers) + 1;
  return [path, ...Array.from({ length: last }, (_, index) => `${path}.${index + 1}`)];
}

/** Where the `wanted`th newline from the end is passed, or how many newlines there are when there are fewer. */
async function findFromEnd(
  handle: FileHandle,
  size: number,
  wanted: number,
): Promise<{ offset: number | undefined; newlines: number }> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    for (
      let at = buffer.lastIndexOf(NEWLINE, bytesRead - 1);
      at >= 0;
      at = at === 0 ? -1 : buffer.lastIndexOf(NEWLINE, at - 1)
    ) {
      newlines += 1;
      if (newlines === wanted) return { offset: start + at + 1, newlines };
    }
    end = start;
  }
  return { offset: undefined, newlines };
}
