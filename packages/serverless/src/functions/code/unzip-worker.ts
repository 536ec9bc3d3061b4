/** The thread that unpacks one large zip. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@slipway/base';
import { unzip } from './unzip.ts';
import { BadZip, type ZipLimits, ZipTooLarge } from './zip-plan.ts';

export interface UnzipJob {
  readonly path: string;
  readonly folder: string;
  readonly limits: ZipLimits;
}

/** A thread cannot send an Error of a class of ours, so it sends what makes one. */
export type UnzipReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'bad' | 'too-large' | 'failed'; readonly message: string };

const { path, folder, limits } = workerData as UnzipJob;
parentPort?.postMessage(await run());

async function run(): Promise<UnzipReply> {
  try {
    await unzip(path, folder, limits);
    return { kind: 'done' };
  } catch (error) {
    const kind = error instanceof BadZip ? 'bad' : error instanceof ZipTooLarge ? 'too-large' : 'failed';
    return { kind, message: errorMessage(error) };
  }
}
