import { formatTimeNs } from '@slipway/base';
import { type BuildResult, type DockerfilePlan, vertexDigest } from '@slipway/build';
import { computeDigest, type Digest, type ImageConfig } from '@slipway/oci';

/**
 * The configuration of a built image: the plan's, with its layers, and a history in which each layer has its entry.
 * @param createdAtMs given the content, all but times, when it was made
 */
export function imageConfig(
  plan: DockerfilePlan,
  layers: BuildResult['layers'],
  createdAtMs: (content: Digest) => number,
): Buffer {
  const { architecture, os, ...rest } = plan.config;
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
  return Buffer.from(JSON.stringify({ ...timeless, created, history } satisfies ImageConfig));
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
