import { type BuildMount, type Operation, type Vertex, vertexDigest } from '@slipway/build';
import type { Digest } from '@slipway/oci';

/** A vertex of a build with the name that it has in its provenance. */
export interface NumberedStep {
  readonly id: string;
  readonly vertex: Vertex;
  readonly inputs: readonly string[];
}

/** All vertices below one and itself, inputs first. */
export function numberSteps(top: Vertex): NumberedStep[] {
  const ids = new Map<Digest, string>();
  const steps: NumberedStep[] = [];
  const visit = (vertex: Vertex): string => {
    const digest = vertexDigest(vertex);
    const known = ids.get(digest);
    if (known !== undefined) return known;
    const inputs = vertex.inputs.map((input) => `${visit(input)}:0`);
    const id = `step${steps.length}`;
    ids.set(digest, id);
    steps.push({ id, vertex, inputs });
    return id;
  };
  visit(top);
  return steps;
}

/**
 * A step in the form of BuildKit's operations, as far as ours are like them. What only the process of a step sees is not in it.
 * @see https://github.com/moby/buildkit/blob/master/solver/pb/ops.proto
 */
export function describeStep({ id, vertex, inputs }: NumberedStep): object {
  const { os, architecture, variant } = vertex.platform;
  const platform = {
    Architecture: architecture,
    OS: os,
    ...(variant === undefined ? {} : { Variant: variant }),
  };
  return {
    id,
    op: { Op: operationOf(vertex.operation), platform },
    ...(inputs.length === 0 ? {} : { inputs }),
  };
}

function operationOf(operation: Operation): object {
  switch (operation.kind) {
    case 'scratch':
      return { source: { identifier: 'scratch' } };
    case 'image':
      return { source: { identifier: `docker-image://${operation.reference}@${operation.manifest.digest}` } };
    case 'local':
      return { source: { identifier: `local://${operation.name}` } };
    case 'http':
      return { source: { identifier: operation.url } };
    case 'git':
      return { source: { identifier: `git://${operation.url}#${operation.ref ?? ''}` } };
    case 'run': {
      const { args, env, cwd, user, network, security, mounts } = operation;
      return {
        exec: { meta: { args, env, cwd, user }, mounts: mounts.map(describeMount), network, security },
      };
    }
    case 'files':
      return { file: { actions: operation.actions } };
    case 'merge':
      return { merge: { inputs: [{ input: 0 }, { input: 1 }] } };
  }
}

const describeMount = (mount: BuildMount): object => ({
  dest: mount.target,
  mountType: mount.type,
  ...(mount.readonly ? { readonly: true } : {}),
  ...('id' in mount ? { id: mount.id } : {}),
});
