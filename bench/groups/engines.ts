import { join } from 'node:path';
import { mustRun } from '../../test/integration/harness/command.ts';
import { allEngines, type Engine, startEngines } from '../engines.ts';
import type { Group } from '../figure.ts';
import { loadFigures } from '../figures/load.ts';
import { memoryFigures } from '../figures/memory.ts';
import { startFigures } from '../figures/starts.ts';

/** Container engines beside each other, each with the same busybox. */
export const engineGroup: Group<Engine> = {
  name: 'engines',
  figures: [...memoryFigures, ...startFigures, ...loadFigures],
  async start(options) {
    const [slipway, ...others] = await startEngines(options, allEngines);
    if (slipway === undefined) return [];
    const archive = join(options.root, 'busybox.tar');
    const command = join(options.checkout, 'script/slipway');
    await mustRun([command, 'image', 'bootstrap', 'busybox'], { env: slipway.env });
    await slipway.docker('save', '-o', archive, 'busybox:latest');
    const working = [slipway];
    for (const engine of others) {
      try {
        await engine.docker('load', '-i', archive);
        await engine.docker('run', '--rm', 'busybox:latest', 'true');
        working.push(engine);
      } catch (error) {
        const why = String(error).trim().split('\n').at(-1);
        options.say(`${engine.name} cannot run a container here: left out (${why})`);
      }
    }
    return working;
  },
};
