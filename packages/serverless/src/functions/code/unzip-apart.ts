import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { UnzipJob, UnzipReply } from './unzip-worker.ts';
import { BadZip, ZipTooLarge } from './zip-plan.ts';

/**
 * Unpacks in a thread of its own, so that a large package keeps nobody waiting.
 * @throws what `unzip` throws
 */
export async function unzipApart(job: UnzipJob): Promise<void> {
  const worker = new Worker(new URL('./unzip-worker.ts', import.meta.url), { workerData: job });
  try {
    const [reply] = (await once(worker, 'message')) as [UnzipReply];
    if (reply.kind === 'bad') throw new BadZip(reply.message);
    if (reply.kind === 'too-large') throw new ZipTooLarge(reply.message);
    if (reply.kind === 'failed') throw new Error(`the package cannot be unpacked: ${reply.message}`);
  } finally {
    await worker.terminate();
  }
}
