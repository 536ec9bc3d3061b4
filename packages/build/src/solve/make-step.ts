import { isSlipwayError } from '@slipway/base';
import type { Lease } from '@slipway/store';
import type { Layers, ResultRecord } from '../cache/records.ts';
import { FailedStepError } from '../debug/failed-steps.ts';
import type { Vertex } from '../graph.ts';
import type { Input, LayersInput } from '../input.ts';
import { commitLayer, isUnchanged } from '../operations/commit-layer.ts';
import { performFileActions } from '../operations/files.ts';
import { mergeLayers } from '../operations/merge.ts';
import { openPlainWorkspace, openWorkspace } from '../operations/rootfs.ts';
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

/** Does a RUN, a COPY or a merge, and records the layers that it came to. Of one that fails nothing stays but what it wrote. */
export async function makeStep(
  context: SolverContext,
  request: StepRequest,
  step: { readonly signal: AbortSignal; readonly onOutput: (output: StepOutput) => void },
): Promise<ResultRecord> {
  const { store, records, clock, random } = context;
  const { vertex, inputs, keys } = request;
  const lease = store.leases.acquire();
  try {
    const { layers, sizeBytes } = await makeLayers(context, request, { ...step, lease });
    const now = clock.nowMs();
    const result: ResultRecord = {
      id: random.hex(12),
      layers,
      parents: inputs.flatMap((input) => (input.kind === 'layers' && input.recordId ? [input.recordId] : [])),
      description: vertex.title,
      sizeBytes,
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

/** All layers, and the size of the one that was added, 0 where none was. */
async function makeLayers(
  context: SolverContext,
  { vertex, inputs, session }: StepRequest,
  step: {
    readonly signal: AbortSignal;
    readonly onOutput: (output: StepOutput) => void;
    /** Keeps what is committed. */
    readonly lease: Lease;
  },
): Promise<{ readonly layers: Layers; readonly sizeBytes: number }> {
  const { signal } = step;
  const { operation } = vertex;
  const below = await (inputs[0] as LayersInput).layers(signal);
  if (operation.kind === 'merge') {
    const linked = await (inputs[1] as LayersInput).layers(signal);
    return { layers: await mergeLayers(context, below, linked, step), sizeBytes: 0 };
  }
  const isPlain = operation.kind === 'files' && below.length === 0;
  await using workspace = isPlain
    ? await openPlainWorkspace(context, undefined)
    : await openWorkspace(context, below, signal);
  if (operation.kind === 'run') {
    try {
      await runCommand(context, workspace, {
        operation,
        platform: vertex.platform,
        inputs,
        session,
        ...step,
      });
    } catch (error) {
      if (!isSlipwayError(error) || error.reason !== 'BUILD_STEP_FAILED' || signal.aborted) throw error;
      workspace.keepSnapshot();
      const kept = { title: vertex.title, operation, inputs, snapshotKey: workspace.key };
      throw new FailedStepError(error, (await context.failedSteps.keep(kept)).id);
    }
  } else if (operation.kind === 'files') {
    await performFileActions(context, workspace, operation.actions, inputs, signal);
    await workspace.unmount();
    if (await isUnchanged(context, workspace.key)) return { layers: below, sizeBytes: 0 };
  }
  // A RUN always makes a layer, as BuildKit has it.
  const layer = await commitLayer(context, workspace.key, below, {
    madeBy: vertexDigest(vertex),
    sourceDateEpochS: vertex.sourceDateEpochS,
    ...step,
  });
  return { layers: [...below, layer], sizeBytes: layer.blob.size };
}
