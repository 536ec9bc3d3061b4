import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../../test/integration/harness/command.ts';
import type { Figure } from '../figure.ts';
import { LARGE_IMAGE, largeImageArchive } from '../large-image.ts';
import { inTurns, summarize } from '../samples.ts';

/** `docker load` of an image of 287 MB in 10,046 files. */
const load: Figure = {
  name: 'load',
  title: 'docker load, 287 MB, 10,046 files',
  unit: 'ms',
  goal: { timesDockerdAtMost: 1 / 4 },
  async measure(engines, { rounds, checkout }) {
    const { archive } = await largeImageArchive(checkout);
    return await inTurns(
      engines,
      Math.ceil(rounds / 5),
      async (engine) => {
        const durationMs = await engine.docker('load', '-q', '-i', archive);
        await engine.docker('rmi', LARGE_IMAGE);
        return durationMs;
      },
      { warmUp: false },
    );
  },
};

/** What nobody can be much quicker than, on one core. */
const tar: Figure = {
  name: 'tar',
  title: '  tar -x of its layer alone',
  unit: 'ms',
  async measure(_engines, { rounds, checkout }) {
    const { layer } = await largeImageArchive(checkout);
    const values: number[] = [];
    for (let round = 0; round < Math.ceil(rounds / 5); round++) {
      const folder = await mkdtemp(join(tmpdir(), 'slipway-bench-tar-'));
      values.push((await mustRun(['tar', '-xf', layer, '-C', folder])).durationMs);
      await rm(folder, { recursive: true });
    }
    return new Map([['slipway', summarize(values)]]);
  },
};

export const loadFigures: readonly Figure[] = [load, tar];
