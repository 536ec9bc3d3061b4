import type { Vertex } from '../graph.ts';
import type { CacheImport, CacheMode, ExportedStep, PortableResult } from '../solver.ts';

/** What a step came to, and under which keys it is found. */
export interface StepOutcome {
  readonly keys: readonly string[];
  readonly result: PortableResult;
  /** Who has its layers, where they have not come here. */
  readonly from: CacheImport | undefined;
}

/**
 * What other builders can use of the steps of a graph: in `min` those that the top's own layers come from.
 * @param outcomeOf undefined for a source, and for a step of which nothing is known
 */
export async function collectSteps(
  top: Vertex,
  mode: CacheMode,
  {
    inputsOf,
    outcomeOf,
  }: {
    readonly inputsOf: (vertex: Vertex) => readonly Vertex[];
    readonly outcomeOf: (vertex: Vertex) => Promise<StepOutcome | undefined>;
  },
): Promise<readonly ExportedStep[]> {
  const steps: ExportedStep[] = [];
  const places = new Map<Vertex, number | undefined>();
  const visit = async (vertex: Vertex): Promise<number | undefined> => {
    if (places.has(vertex)) return places.get(vertex);
    const all = inputsOf(vertex);
    const inputs: number[] = [];
    const hasAll = mode === 'max' || vertex.operation.kind === 'merge';
    for (const input of hasAll ? all : all.slice(0, 1)) {
      const place = await visit(input);
      if (place !== undefined) inputs.push(place);
    }
    const outcome = await outcomeOf(vertex);
    let place: number | undefined;
    if (outcome !== undefined) {
      const { keys, result, from } = outcome;
      const { layers, description, sizeBytes, createdAtMs } = result;
      place = steps.push({ keys, layers, description, sizeBytes, createdAtMs, from, inputs }) - 1;
    }
    places.set(vertex, place);
    return place;
  };
  await visit(top);
  return steps;
}
