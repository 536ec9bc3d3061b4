import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context } from './command.ts';

/** Writes a stream to standard output, or to a file that has its name only when it is whole. */
export async function writeArchive(context: Context, path: string, archive: Readable): Promise<void> {
  if (path === '') return pipeline(archive, context.stdout, { end: false });
  const partial = `${path}.slipway-${process.pid}`;
  try {
    await pipeline(archive, createWriteStream(partial, { mode: 0o600 }));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
