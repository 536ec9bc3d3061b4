import { type Filters, fitsLabels, parseFilterTimeMs } from '@slipway/api/docker';
import { isSlipwayError } from '@slipway/base';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { prepareFilters } from '../observe/list.ts';
import { isRunning } from '../state.ts';
import { removeContainer } from './remove.ts';

/** Removes every container that does not run and fits the filters `until`, `label`, `label!`. */
export async function pruneContainers(
  context: ContainerContext,
  filters: Filters,
): Promise<{ removed: string[]; reclaimedBytes: number }> {
  const matches = await prepareFilters(context, filters, {
    until: (values) => {
      const limitsMs = values.map((value) => parseFilterTimeMs(value, context.clock.nowMs()));
      return ({ definition }) =>
        limitsMs.some((ms) => definition.createdAtNs < BigInt(Math.round(ms)) * 1_000_000n);
    },
    label: (values) => (container) => fitsLabels(labelsOf(container), new Map([['label', values]])),
    'label!': (values) => (container) => fitsLabels(labelsOf(container), new Map([['label!', values]])),
  });
  const removed: string[] = [];
  let reclaimedBytes = 0;
  for (const container of context.registry.list()) {
    const { status } = container.state;
    if (isRunning(container.state) || status === 'restarting' || status === 'removing') continue;
    if (!matches.every((matches) => matches(container))) continue;
    try {
      const { sizeBytes } = await context.snapshots.usage(container.definition.id);
      await removeContainer(context, container, { removeVolumes: false, force: false });
      removed.push(container.definition.id);
      reclaimedBytes += sizeBytes;
    } catch (error) {
      // Someone started or removed it meanwhile: then it is not ours to prune.
      if (!isSlipwayError(error, 'Conflict', 'NotFound')) throw error;
    }
  }
  return { removed, reclaimedBytes };
}

const labelsOf = ({ definition }: Container) => definition.config.Labels ?? {};
