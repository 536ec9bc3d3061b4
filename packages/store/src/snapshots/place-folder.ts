import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@slipway/base';
import { O_TMPFILE } from '../syscalls.ts';

/** Places that are tried before the best of them is taken. */
const CANDIDATES_MAX = 6;
/** Files made in each: more than the 16 whose inodes share a block, for each block has its own memory of deletions. */
const PROBES = 20;
/** The last of them, which are measured: the quickest tells, the others may have waited for disk or processor. */
const MEASURED = 4;
/** How much longer a file may take than where it was quickest. */
const TOLERANCE = 1.5;

interface Candidate {
  readonly path: string;
  /** Undefined where the file system does not tell. */
  readonly createMs: number | undefined;
}

/**
 * Makes folders for layers where many files can be made quickly. An ext4 without a journal steps over each inode that
 * was deleted in a group in the last minutes, for every new file: 10 µs become 100. The folder's name decides its group, so
 * a few names are tried. Elsewhere it costs a few files that nobody sees.
 * @see https://elixir.bootlin.com/linux/v6.12/source/fs/ext4/ialloc.c, recently_deleted and find_group_orlov
 */
export class QuickPlaces {
  readonly #clock: Clock;
  #quickestMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Makes the folder `path`, with an empty folder `fs` in it. */
  make(path: string): void {
    const candidates: Candidate[] = [];
    try {
      do candidates.push(this.#try(`${path}-new-`));
      while (candidates.length < CANDIDATES_MAX && !this.#isGood(candidates.at(-1) as Candidate));
      const [best] = candidates.toSorted((a, b) => (a.createMs ?? 0) - (b.createMs ?? 0)) as [Candidate];
      chmodSync(best.path, 0o710);
      renameSync(best.path, path);
      candidates.splice(candidates.indexOf(best), 1);
    } finally {
      // Not before: as long as they are there, the file system prefers other groups.
      for (const tried of candidates) rmSync(tried.path, { recursive: true, force: true });
    }
  }

  #try(prefix: string): Candidate {
    const path = mkdtempSync(prefix);
    const fs = join(path, 'fs');
    mkdirSync(fs);
    chmodSync(fs, 0o755);
    const open: number[] = [];
    let createMs: number | undefined;
    try {
      while (open.length < PROBES) {
        const startedAtMs = this.#clock.monotonicMs();
        open.push(openSync(fs, O_TMPFILE | constants.O_WRONLY));
        const tookMs = this.#clock.monotonicMs() - startedAtMs;
        if (open.length > PROBES - MEASURED) createMs = Math.min(createMs ?? tookMs, tookMs);
      }
    } catch {
      // A file system without such files; a full disk shows itself to the layer's own.
      createMs = undefined;
    } finally {
      for (const fd of open) closeSync(fd);
    }
    return { path, createMs };
  }

  #isGood({ createMs }: Candidate): boolean {
    if (createMs === undefined) return true;
    const quickestMs = this.#quickestMs;
    this.#quickestMs = Math.min(createMs, quickestMs ?? createMs);
    // The first has nothing to be compared with.
    return quickestMs !== undefined && createMs <= quickestMs * TOLERANCE;
  }
}
