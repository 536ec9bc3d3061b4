import { execFile } from 'node:child_process';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, errorMessage, type HostPath, hostPath, type Logger } from '@slipway/base';

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
/** What failed is not tried again before: a disk may be full for a while. */
const RETRY_AFTER_MS = 60_000;
/** Instead of a size, for what failed before any disk could be made. */
const ALL_SIZES = 'all';

export interface TemporaryDisksOptions {
  /** A folder on disk, of its own: what it holds is thrown away. */
  readonly root: HostPath;
  readonly shimPath: HostPath;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Templates of what is mounted at `/tmp`: an empty ext4 for each size, of which each sandbox gets a copy. Files with holes:
 * a template takes some 100 KB, and so does a copy that nothing was written to.
 */
export class TemporaryDisks {
  readonly #options: TemporaryDisksOptions;
  readonly #templates = new Map<number, Promise<HostPath>>();
  readonly #retryAtMs = new Map<number | typeof ALL_SIZES, number>();
  #emptied: Promise<void> | undefined;
  /** Whether this host has such disks; a failure is one of all sizes until then. */
  #works = false;
  #isTold = false;

  constructor(options: TemporaryDisksOptions) {
    this.#options = options;
  }

  /**
   * The template for so many MB of files. Undefined, and said in the log, where there can be none: no mke2fs, no loop
   * devices, no ext4, of which the log tells once; or when that of this size cannot be made at the moment.
   */
  async template(sizeMb: number): Promise<HostPath | undefined> {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs < this.#retryAt(sizeMb) || (!this.#works && nowMs < this.#retryAt(ALL_SIZES))) return undefined;
    const made = this.#templates.get(sizeMb) ?? this.#make(sizeMb);
    this.#templates.set(sizeMb, made);
    try {
      const template = await made;
      this.#works = true;
      return template;
    } catch (error) {
      // Of those that waited for it, one takes note.
      if (this.#templates.get(sizeMb) === made) this.#onFailure(sizeMb, error);
      return undefined;
    }
  }

  #onFailure(sizeMb: number, error: unknown): void {
    const { clock, logger } = this.#options;
    this.#templates.delete(sizeMb);
    this.#retryAtMs.set(this.#works ? sizeMb : ALL_SIZES, clock.monotonicMs() + RETRY_AFTER_MS);
    if (this.#works) {
      logger.warn({ error: errorMessage(error), sizeMb }, 'a disk for /tmp cannot be made; it is in memory');
    } else if (!this.#isTold) {
      this.#isTold = true;
      logger.warn({ error }, "functions' /tmp is in memory and counts to their memory");
    }
  }

  #retryAt(size: number | typeof ALL_SIZES): number {
    return this.#retryAtMs.get(size) ?? 0;
  }

  async #make(sizeMb: number): Promise<HostPath> {
    const { root, shimPath } = this.#options;
    this.#emptied ??= rm(root, { recursive: true, force: true }).catch((error: unknown) => {
      this.#emptied = undefined;
      throw error;
    });
    await this.#emptied;
    await mkdir(root, { recursive: true, mode: 0o700 });
    const path = join(root, `${sizeMb}.ext4`);
    const unfinished = `${path}.new`;
    try {
      await using file = await open(unfinished, 'w', 0o600);
      await file.truncate(imageBytes(sizeMb));
      await execute('mke2fs', [...MAKE_EXT4, unfinished]);
      await execute(shimPath, ['disk', unfinished]);
      await rename(unfinished, path);
      return hostPath(path);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
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
