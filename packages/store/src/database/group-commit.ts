import { nextTurn } from '@slipway/base';
import type { Database } from './database.ts';

/**
 * Commits together what was asked for in one turn of the event loop. One sync of the disk is shared by all who wait for it,
 * so that thousands of small durable writes a second are possible where each alone would cost a millisecond.
 */
export interface GroupCommit {
  /**
   * Runs `work` in the next transaction; resolves when that is on disk. Rejects when `work` throws, which harms no other.
   * It may run twice, the first time rolled back.
   */
  write<T>(work: () => T): Promise<T>;
  /** The same for what may be lost with the machine's power, not with the process; see `Database.relaxed`. */
  relaxed<T>(work: () => T): Promise<T>;
}

interface Job {
  readonly run: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly durable: boolean;
}

/** Groups the commits of its callers into `database`. */
export function groupCommit(database: Database): GroupCommit {
  let waiting: Job[] = [];

  const commit = (jobs: readonly Job[]) => {
    const inTransaction = jobs.some((job) => job.durable)
      ? database.transaction.bind(database)
      : database.relaxed.bind(database);
    inTransaction(() => {
      for (const job of jobs) job.run();
    });
  };

  const flush = async () => {
    await nextTurn();
    const jobs = waiting;
    waiting = [];
    try {
      commit(jobs);
    } catch {
      // One of them failed and all were rolled back: each alone, so that it fails alone.
      for (const job of jobs) {
        try {
          commit([job]);
          job.resolve();
        } catch (error) {
          job.reject(error);
        }
      }
      return;
    }
    for (const job of jobs) job.resolve();
  };

  const enqueue = async <T>(work: () => T, durable: boolean): Promise<T> => {
    const done = Promise.withResolvers<void>();
    let result: T | undefined;
    const run = () => {
      result = work();
    };
    waiting.push({ run, resolve: done.resolve, reject: done.reject, durable });
    if (waiting.length === 1) void flush();
    await done.promise;
    return result as T;
  };

  return {
    write: (work) => enqueue(work, true),
    relaxed: (work) => enqueue(work, false),
  };
}
