import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '@slipway/base/errors';
import { writeArchive } from '../archive-file.ts';
import type { Context } from '../command.ts';
import { FUNCTION_FOLDER } from './plan.ts';
import { zipFolder } from './zip.ts';

/** Writes what an image of a function plan holds as a zip; the file has its name only when it is whole. */
export async function writeFunctionZip(context: Context, image: string, path: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-function-'));
  try {
    await extract(context, image, folder);
    await writeArchive(context, path, Readable.from(zipFolder(folder), { objectMode: false }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Unpacks the function's folder by way of a container, which is never started. */
async function extract({ client }: Context, image: string, folder: string): Promise<void> {
  const { Id: id } = await client.containers.create({ Image: image, Cmd: [FUNCTION_FOLDER] });
  try {
    const { tar } = await client.containers.getArchive(id, FUNCTION_FOLDER);
    const unpack = spawn('tar', ['-x', '-C', folder, '--strip-components=1', '--no-same-owner'], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    const ended = exitCode(unpack);
    await pipeline(tar, unpack.stdin).catch(() => {
      // tar has said why it stopped reading, and its exit code says that it did.
    });
    const code = await ended;
    if (code !== 0) {
      throw new SlipwayError(
        'Internal',
        `tar could not unpack the function to ${folder}: it ended with ${code}`,
      );
    }
  } finally {
    await client.containers.remove(id, { force: true });
  }
}

const exitCode = (child: ChildProcess): Promise<number | null> =>
  new Promise((done, fail) => child.on('close', done).on('error', fail));
