import { allEngines, type Engine, startEngines } from '../engines.ts';
import type { Group } from '../figure.ts';
import { loadFigures } from '../figures/load.ts';

/**
 * Each engine on a disk of its own, made for it: where much was deleted just before, an ext4 without a journal looks for
 * free inodes for seconds, and whose turn that falls into is chance.
 */
export const loadGroup: Group<Engine> = {
  name: 'loads',
  figures: loadFigures,
  start: (options) =>
    startEngines(
      options,
      allEngines.filter(([name]) => name !== 'podman'),
      { freshDisk: true },
    ),
};
