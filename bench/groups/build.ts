import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../test/integration/harness/command.ts';
import { peers } from '../../test/integration/harness/peers.ts';
import { type Engine, modernEngines, startEngines } from '../engines.ts';
import type { Group } from '../figure.ts';
import { buildFigures } from '../figures/build.ts';

/** Engines that the same buildx asks to build, each with the same busybox. */
export const buildGroup: Group<Engine> = {
  name: 'build',
  figures: buildFigures,
  async start(options) {
    const engines = await startEngines(options, modernEngines);
    const archive = join(options.root, 'busybox.tar');
    for (const [index, engine] of engines.entries()) {
      const plugins = join(engine.root, 'docker-config/cli-plugins');
      await mkdir(plugins, { recursive: true });
      await symlink(peers.buildx ?? '', join(plugins, 'docker-buildx'));
      if (index === 0) {
        const command = join(options.checkout, 'script/slipway');
        await mustRun([command, 'image', 'bootstrap', 'busybox'], { env: engine.env });
        await engine.docker('save', '-o', archive, 'busybox:latest');
      } else {
        await engine.docker('load', '-i', archive);
      }
    }
    return engines;
  },
};
