import { formatTimeNs } from '@slipway/base';
import { type BuildResult, type DockerfilePlan, vertexDigest } from '@slipway/build';
import { computeDigest, type Digest, type ImageConfig } from '@slipway/oci';
import { INLINE_CACHE_FIELD } from '../cache/import.ts';

export interface ConfigOptions {
  /** Given the content, all but times, when it was made. */
  readonly createdAtMs: (content: Digest) => number;
  readonly inlineCache: string | undefined;
}

/** The configuration of a built image: the plan's, with its layers, and a history in which each layer has its entry. */
export function imageConfig(
  plan: DockerfilePlan,
  layers: BuildResult['layers'],
  { createdAtMs, inlineCache }: ConfigOptions,
): Buffer {
  // What a base image says of its own steps is not about these.
  const { architecture, os, [INLINE_CACHE_FIELD]: _cache, ...rest } = plan.config as ImageConfig;
  const timeless = {
    architecture,
    os,
    ...rest,
    rootfs: { type: 'layers' as const, diff_ids: layers.map(({ diffId }) => diffId) },
    history: historyOf(plan, layers),
  };
  const content = computeDigest(JSON.stringify(timeless));
  const nowMs = plan.epochMs ?? createdAtMs(content);
  const created = formatTimeNs(BigInt(nowMs) * 1_000_000n);
  const history = timeless.history.map((entry) =>
    entry.created === undefined ? { created, ...entry } : entry,
  );
  const cache = inlineCache === undefined ? {} : { [INLINE_CACHE_FIELD]: inlineCache };
  return Buffer.from(JSON.stringify({ ...timeless, created, history, ...cache } satisfies ImageConfig));
}

/** Steps that changed nothing have no layer; their entries say so. */
function historyOf(
  { config, historyVertices }: DockerfilePlan,
  layers: BuildResult['layers'],
): NonNullable<ImageConfig['history']> {
  const history = config.history ?? [];
  const made = layers.flatMap(({ madeBy }) => (madeBy === undefined ? [] : [madeBy]));
  const candidates = history.flatMap((_, index) => (historyVertices[index] === undefined ? [] : [index]));
  if (candidates.length === made.length) return [...history];
  const empty = new Set(withoutLayer(candidates, made, historyVertices));
  return history.map((entry, index) => (empty.has(index) ? { ...entry, empty_layer: true } : entry));
}

function withoutLayer(
  candidates: readonly number[],
  made: readonly Digest[],
  vertices: DockerfilePlan['historyVertices'],
): number[] {
  const known = new Set(made);
  const byName = candidates.filter((index) => {
    const vertex = vertices[index];
    return vertex !== undefined && !known.has(vertexDigest(vertex));
  });
  const missing = candidates.length - made.length;
  // A layer that an equal step of another build made has that step's name: then the folders go first, as they are most
  // often there already.
  return byName.length === missing ? byName : candidates.toSorted((a, b) => a - b).slice(0, missing);
}
