import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runCommand } from './command.ts';

export interface TestDisk {
  readonly folder: string;
  /** Fills it but for so many bytes. */
  readonly fill: (spareBytes: number) => void;
  /** Takes back what `fill` wrote. */
  readonly free: () => void;
  readonly remove: () => Promise<void>;
}

/** A file system of its own, so that filling it hurts nobody. */
export async function makeDisk(sizeMib: number): Promise<TestDisk> {
  const root = await mkdtemp(join(tmpdir(), 'sld-'));
  const folder = join(root, 'mount');
  const ballast = join(folder, 'ballast');
  mkdirSync(folder);
  await mustRun(['mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'slipway-test', folder]);
  return {
    folder,
    fill: (spareBytes) => fill(folder, ballast, spareBytes),
    free: () => rmSync(ballast, { force: true }),
    async remove() {
      await runCommand(['umount', '-l', folder]);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function fill(folder: string, ballast: string, spareBytes: number): void {
  const file = openSync(ballast, 'w');
  const chunk = Buffer.alloc(1 << 20, 1);
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(folder);
      const roomBytes = bavail * bsize - spareBytes;
      if (roomBytes <= 0) break;
      writeSync(file, chunk, 0, Math.min(chunk.length, roomBytes));
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(file);
  }
}
