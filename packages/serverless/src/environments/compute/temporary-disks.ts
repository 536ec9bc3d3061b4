import { execFile } from 'node:child_process';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type HostPath, hostPath, type Logger } from '@slipway/base';

const execute = promisify(execFile);

const MEBIBYTE = 1024 * 1024;
/** As mke2fs has it, unless its configuration says otherwise. */
const BYTES_PER_INODE = 16_384;
/** Inodes, bitmaps and descriptors. */
const BOOKKEEPING = 0.02;
/** What ext4 keeps back for itself: a fiftieth, and at most so much. */
const MOST_RESERVED_MB = 16;
/** Of small file systems. */
const LEAST_BOOKKEEPING_MB = 4;

export interface TemporaryDisksOptions {
  /** A folder on disk, of its own: what it holds is thrown away. */
  readonly root: HostPath;
  readonly shimPath: HostPath;
  readonly logger: Logger;
}

/**
 * Templates of what is mounted at `/tmp`: an empty ext4 for each size, of which each sandbox gets a copy. Files with holes:
 * a template takes some 100 KB, and so does a copy that nothing was written to.
 */
export class TemporaryDisks {
  readonly #options: TemporaryDisksOptions;
  readonly #templates = new Map<number, Promise<HostPath>>();
  #emptied: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: TemporaryDisksOptions) {
    this.#options = options;
  }

  /**
   * The template for so many MB of files. Undefined, and said in the log once, where there can be none: no mke2fs, no loop
   * devices, no ext4.
   */
  async template(sizeMb: number): Promise<HostPath | undefined> {
    if (this.#failure !== undefined) return undefined;
    const made = this.#templates.get(sizeMb) ?? this.#make(sizeMb);
    this.#templates.set(sizeMb, made);
    try {
      return await made;
    } catch (error) {
      if (this.#failure === undefined) {
        this.#options.logger.warn({ error }, "functions' /tmp is in memory and counts to their memory");
      }
      this.#failure ??= error;
      return undefined;
    }
  }

  async #make(sizeMb: number): Promise<HostPath> {
    const { root, shimPath } = this.#options;
    this.#emptied ??= rm(root, { recursive: true, force: true });
    await this.#emptied;
    await mkdir(root, { recursive: true, mode: 0o700 });
    const path = join(root, `${sizeMb}.ext4`);
    const unfinished = `${path}.new`;
    await using file = await open(unfinished, 'w', 0o600);
    await file.truncate(imageBytes(sizeMb));
    await execute('mke2fs', [...MAKE_EXT4, unfinished]);
    await execute(shimPath, ['disk', unfinished]);
    await rename(unfinished, path);
    return hostPath(path);
  }
}

const MAKE_EXT4 = [
  ...['-q', '-F', '-t', 'ext4', '-b', '4096', '-I', '256', '-i', `${BYTES_PER_INODE}`, '-m', '0'],
  // Neither a journal, as what is in it is not to outlive anything, nor room to grow.
  ...['-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1,nodiscard'],
];

const imageBytes = (sizeMb: number): number => {
  const reserved = Math.min(sizeMb / 50, MOST_RESERVED_MB);
  return Math.ceil(sizeMb * (1 + BOOKKEEPING) + reserved + LEAST_BOOKKEEPING_MB) * MEBIBYTE;
};
