import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../../test/integration/harness/command.ts';
import type { Engine } from '../engines.ts';
import type { Figure } from '../figure.ts';
import { loadImage } from '../large-image.ts';
import { inTurns, summarize } from '../samples.ts';

/** `docker load` of an image of 287 MB in 10,046 files. */
const load: Figure<Engine> = {
  name: 'load',
  title: 'docker load, 287 MB, 10,046 files',
  unit: 'ms',
  goal: { timesPeerAtMost: 1 / 4 },
  async measure(engines, { rounds, checkout }) {
    const { archive, reference } = await loadImage(checkout);
    return await inTurns(engines, Math.max(5, rounds / 2), async (engine) => {
      const durationMs = await engine.docker('load', '-q', '-i', archive);
      await engine.docker('rmi', reference);
      // What one engine has still to be written is no business of the next one's.
      await mustRun(['sync']);
      return durationMs;
    });
  },
};

/** What nobody can be much quicker than, on one core. */
const tar: Figure<Engine> = {
  name: 'tar',
  title: '  tar -x of its layer alone',
  unit: 'ms',
  async measure([engine], { rounds, checkout }) {
    const [layer = ''] = (await loadImage(checkout)).layers;
    const values: number[] = [];
    for (let round = 0; round < Math.ceil(rounds / 5); round++) {
      const folder = await mkdtemp(join(engine?.root ?? tmpdir(), 'tar-'));
      values.push((await mustRun(['tar', '-xf', layer, '-C', folder])).durationMs);
      await rm(folder, { recursive: true });
    }
    return new Map([['slipway', summarize(values)]]);
  },
};

export const loadFigures: readonly Figure<Engine>[] = [load, tar];
