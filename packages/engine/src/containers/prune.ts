import type { Filters } from '@slipway/api/docker';
import { isSlipwayError, SlipwayError } from '@slipway/base';
import type { ContainerContext } from './context.ts';
import { labelMatch, prepareFilters } from './list.ts';
import { removeContainer } from './remove.ts';
import { isRunning } from './state.ts';

/** Removes every container that does not run and fits the filters `until`, `label`, `label!`. */
export async function pruneContainers(
  context: ContainerContext,
  filters: Filters,
): Promise<{ removed: string[]; reclaimedBytes: number }> {
  const matches = await prepareFilters(context, filters, {
    until: (values) => {
      const limitNs = values.map((value) => parseUntil(value, context.clock.nowMs()));
      return ({ definition }) => limitNs.some((ns) => definition.createdAtNs < ns);
    },
    label: (values) => {
      const wanted = values.map(labelMatch);
      return ({ definition }) => wanted.every((matches) => matches(definition.config.Labels ?? {}));
    },
    'label!': (values) => {
      const unwanted = values.map(labelMatch);
      return ({ definition }) => !unwanted.some((matches) => matches(definition.config.Labels ?? {}));
    },
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

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as docker's filters have it: a duration before now (`10m`, `1h30m`), a Unix time, or a date. In nanoseconds. */
export function parseUntil(text: string, nowMs: number): bigint {
  if (/^\d+(\.\d+)?$/.test(text)) return BigInt(Math.round(Number(text) * 1000)) * 1_000_000n;
  if (/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    let ms = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
      ms += Number(amount) * (UNIT_MS[unit as string] as number);
    }
    return BigInt(Math.round(nowMs - ms)) * 1_000_000n;
  }
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new SlipwayError(
      'InvalidArgument',
      `invalid time '${text}': write 10m, 24h, a Unix time or a date`,
    );
  return BigInt(ms) * 1_000_000n;
}
