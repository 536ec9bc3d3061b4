import type { HostPath } from '@slipway/base';
import { type ChainId, computeDigest, type DiffId, type Digest } from '@slipway/oci';
import type { Layers } from './cache/records.ts';

/** What a vertex came to, as those that take it as an input see it. */
export type Input =
  | {
      readonly kind: 'layers';
      /** Two with the same have the same files. */
      readonly identity: string;
      /** Brings them here when they are not. */
      layers(signal: AbortSignal): Promise<Layers>;
      /** The steps that made its upper layers, bottom to top; those below them are an image's. */
      readonly madeBy: readonly Digest[];
      /** The cache's record of it. */
      readonly recordId: string | undefined;
    }
  | { readonly kind: 'folder'; readonly path: HostPath };

export type LayersInput = Extract<Input, { kind: 'layers' }>;

/** Layers that are here, as an input. */
export const layersAsInput = (layers: Layers): LayersInput => ({
  kind: 'layers',
  identity: topChainId(layers) ?? 'scratch',
  layers: async () => layers,
  madeBy: [],
  recordId: undefined,
});

/** The name of the snapshot that has all of them. */
export const topChainId = (layers: Layers): ChainId | undefined => layers.at(-1)?.chainId;

/** The name of a layer's snapshot on top of others. */
export function chainIdOn(below: Layers, diffId: DiffId): ChainId {
  const parent = topChainId(below);
  return (parent === undefined ? diffId : computeDigest(`${parent} ${diffId}`)) as ChainId;
}
