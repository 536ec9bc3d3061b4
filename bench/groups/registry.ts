import type { Group } from '../figure.ts';
import { registryFigures } from '../figures/registry.ts';
import { type RegistryContender, startRegistries } from '../registries.ts';

/** Registries beside each other, with the same content. */
export const registryGroup: Group<RegistryContender> = {
  name: 'registry',
  figures: registryFigures,
  start: startRegistries,
};
