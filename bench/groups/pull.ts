import { type Engine, modernEngines, startEngines } from '../engines.ts';
import type { Group } from '../figure.ts';
import { pullFigures } from '../figures/pull.ts';

/** Engines that pull from the same registry. */
export const pullGroup: Group<Engine> = {
  name: 'pulls',
  figures: pullFigures,
  start: (options) => startEngines(options, modernEngines),
};
