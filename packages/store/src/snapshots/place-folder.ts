import { chmodSync, constants, mkdirSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@slipway/base';
import { close, O_TMPFILE } from '../syscalls.ts';

/** Places that are tried before the best of them is taken. */
const CANDIDATES_MAX = 6;
/** Files made in each: the quickest tells, the others may have waited for the disk or the processor. */
const PROBES = 4;
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
 * a few names are tried. Elsewhere it costs four files that nobody sees.
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
    let createMs: number | undefined;
    for (let probe = 0; probe < PROBES; probe++) {
      const startedAtMs = this.#clock.monotonicMs();
      try {
        close(openSync(fs, O_TMPFILE | constants.O_WRONLY));
      } catch {
        return { path, createMs: undefined };
      }
      createMs = Math.min(createMs ?? Number.POSITIVE_INFINITY, this.#clock.monotonicMs() - startedAtMs);
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
