import { type ChainId, computeDigest, type DiffId } from './digest.ts';

/**
 * The chainIDs of all stacks that `diffIds`, bottom to top, build up: one for each layer, the top one last.
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
 */
export function computeChainIds(diffIds: readonly DiffId[]): ChainId[] {
  const chainIds: ChainId[] = [];
  for (const diffId of diffIds) {
    const below = chainIds.at(-1);
    chainIds.push((below === undefined ? diffId : computeDigest(`${below} ${diffId}`)) as ChainId);
  }
  return chainIds;
}
