import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { writeArchive } from '../archive-file.ts';
import type { Context } from '../command.ts';
import { buildFiles, type ProjectBuild } from './build-image.ts';
import { zipFolder } from './zip.ts';

/** Builds a function and writes it as a zip; the file has its name only when it is whole. */
export async function writeFunctionZip(context: Context, build: ProjectBuild, path: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-function-'));
  try {
    await buildFiles(context, build, folder);
    await writeArchive(context, path, Readable.from(zipFolder(folder), { objectMode: false }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
