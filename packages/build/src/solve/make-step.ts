import type { ResultRecord } from '../cache/records.ts';
import type { Vertex } from '../graph.ts';
import { commitLayer, isUnchanged } from '../operations/commit-layer.ts';
import { performFileActions } from '../operations/files.ts';
import type { Input } from '../operations/inputs.ts';
import { openWorkspace } from '../operations/rootfs.ts';
import { runCommand } from '../operations/run.ts';
import type { BuildSession } from '../solver.ts';
import { vertexDigest } from '../vertex-digest.ts';
import type { SolverContext } from './context.ts';
import type { StepOutput } from './shared-steps.ts';

export interface StepRequest {
  readonly vertex: Vertex;
  /** The first has layers. */
  readonly inputs: readonly Input[];
  readonly session: BuildSession;
  /** Under which the result is found from now on. */
  readonly keys: readonly string[];
}

/** Does a RUN or a COPY, and records the layer that it came to. Nothing of one that fails stays. */
export async function makeStep(
  context: SolverContext,
  { vertex, inputs, session, keys }: StepRequest,
  step: { readonly signal: AbortSignal; readonly onOutput: (output: StepOutput) => void },
): Promise<ResultRecord> {
  const { store, records, clock, random } = context;
  const { operation } = vertex;
  const below = await (inputs[0] as Extract<Input, { kind: 'layers' }>).layers(step.signal);
  const lease = store.leases.acquire();
  try {
    await using workspace = await openWorkspace(context, below, step.signal);
    if (operation.kind === 'run') {
      await runCommand(context, workspace, {
        operation,
        platform: vertex.platform,
        inputs,
        session,
        ...step,
      });
    } else if (operation.kind === 'files') {
      await performFileActions(context, workspace, operation.actions, inputs, step.signal);
      await workspace.sandbox[Symbol.asyncDispose]();
    }
    // A RUN always makes a layer, as BuildKit has it.
    const adds = operation.kind === 'run' || !(await isUnchanged(context, workspace.key));
    const layer = adds
      ? await commitLayer(context, workspace.key, below, {
          madeBy: vertexDigest(vertex),
          sourceDateEpochS: vertex.sourceDateEpochS,
          lease,
          signal: step.signal,
        })
      : undefined;
    const now = clock.nowMs();
    const result: ResultRecord = {
      id: random.hex(12),
      layers: layer === undefined ? below : [...below, layer],
      parents: inputs.flatMap((input) => (input.kind === 'layers' && input.recordId ? [input.recordId] : [])),
      description: vertex.title,
      sizeBytes: layer?.blob.size ?? 0,
      createdAtMs: now,
      lastUsedAtMs: now,
      usageCount: 0,
    };
    records.addResult(result, keys);
    return result;
  } finally {
    await lease[Symbol.asyncDispose]();
  }
}
