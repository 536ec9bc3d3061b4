import { computeDigest, type Digest } from '@slipway/oci';
import type { Operation, Vertex } from './graph.ts';

const digests = new WeakMap<Vertex, Digest>();

/**
 * Names a vertex: its operation, platform and inputs. What people read (`title`), what only the process sees (`hiddenEnv`)
 * and `ignoreCache` do not count.
 */
export function vertexDigest(vertex: Vertex): Digest {
  const known = digests.get(vertex);
  if (known !== undefined) return known;
  const digest = computeDigest(
    canonicalJson({ definition: vertexDefinition(vertex), inputs: vertex.inputs.map(vertexDigest) }),
  );
  digests.set(vertex, digest);
  return digest;
}

/** What a vertex does, without what it does it to. */
export function vertexDefinition({ operation, platform, sourceDateEpochS }: Vertex): unknown {
  return { operation: withoutHidden(operation), platform, sourceDateEpochS };
}

function withoutHidden(operation: Operation): unknown {
  if (operation.kind !== 'run') return operation;
  const { hiddenEnv: _, ...rest } = operation;
  return rest;
}

/** JSON with the keys of objects sorted and undefined ones left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    nested !== null && typeof nested === 'object' && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).sort(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
