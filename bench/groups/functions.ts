import type { Group } from '../figure.ts';
import { functionFigures } from '../figures/functions.ts';
import { type FunctionsContender, startFunctions } from '../functions.ts';

/** Functions, through the door that AWS's clients use. */
export const functionsGroup: Group<FunctionsContender> = {
  name: 'functions',
  figures: functionFigures,
  start: startFunctions,
};
