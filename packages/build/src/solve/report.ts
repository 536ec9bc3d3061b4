import { type Clock, errorMessage } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Vertex } from '../graph.ts';
import type { BuildEvent } from '../solver.ts';
import { vertexDigest } from '../vertex-digest.ts';

type VertexEvent = Extract<BuildEvent, { kind: 'vertex' }>;
type VertexState = Partial<Pick<VertexEvent, 'startedAtMs' | 'completedAtMs' | 'cached' | 'error'>>;

/** Tells of one solve what happens to its vertices. Those that are no work, `scratch` and merges, are not told of. */
export class Report {
  readonly #clock: Clock;
  readonly #onEvent: (event: BuildEvent) => void;
  readonly #begun = new Set<Digest>();
  /** When what is moved began to be, by vertex and name. */
  readonly #transfers = new Map<string, number>();

  constructor(clock: Clock, onEvent: (event: BuildEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  hasBegun(vertex: Vertex): boolean {
    return this.#begun.has(vertexDigest(vertex));
  }

  /** All vertices, inputs first, before anything happens to them. */
  announce(vertex: Vertex, seen = new Set<Digest>()): void {
    const digest = vertexDigest(vertex);
    if (seen.has(digest)) return;
    seen.add(digest);
    for (const input of vertex.inputs) this.announce(input, seen);
    this.#emit(vertex, {});
  }

  started(vertex: Vertex, startedAtMs: number): void {
    this.#begun.add(vertexDigest(vertex));
    this.#emit(vertex, { startedAtMs });
  }

  completed(vertex: Vertex, startedAtMs: number | undefined): void {
    const completedAtMs = this.#clock.nowMs();
    this.#emit(vertex, { startedAtMs: startedAtMs ?? completedAtMs, completedAtMs });
  }

  cached(vertex: Vertex): void {
    const now = this.#clock.nowMs();
    this.#begun.add(vertexDigest(vertex));
    this.#emit(vertex, { startedAtMs: now, completedAtMs: now, cached: true });
  }

  /** It, and what is below it. */
  cachedTree(vertex: Vertex): void {
    if (this.hasBegun(vertex)) return;
    for (const input of vertex.inputs) this.cachedTree(input);
    this.cached(vertex);
  }

  failed(vertex: Vertex, startedAtMs: number | undefined, error: unknown, isCanceled: boolean): void {
    const now = this.#clock.nowMs();
    this.#begun.add(vertexDigest(vertex));
    this.#emit(vertex, {
      startedAtMs: startedAtMs ?? now,
      completedAtMs: now,
      error: isCanceled ? 'context canceled' : errorMessage(error),
    });
  }

  progress(
    vertex: Vertex,
    name: string,
    {
      currentBytes,
      totalBytes,
      done,
    }: { readonly currentBytes: number; readonly totalBytes?: number | undefined; readonly done: boolean },
  ): void {
    const now = this.#clock.nowMs();
    const digest = vertexDigest(vertex);
    const startedAtMs = this.#transfers.get(`${digest} ${name}`) ?? now;
    this.#transfers.set(`${digest} ${name}`, startedAtMs);
    const completedAtMs = done ? now : undefined;
    this.#onEvent({ kind: 'progress', digest, name, currentBytes, totalBytes, startedAtMs, completedAtMs });
  }

  #emit(vertex: Vertex, state: VertexState): void {
    if (!isTold(vertex)) return;
    this.#onEvent({
      kind: 'vertex',
      digest: vertexDigest(vertex),
      title: vertex.title,
      inputs: toldInputs(vertex).map(vertexDigest),
      startedAtMs: undefined,
      completedAtMs: undefined,
      cached: false,
      error: undefined,
      ...state,
    });
  }
}

const isTold = ({ operation }: Vertex): boolean => operation.kind !== 'scratch' && operation.kind !== 'merge';

/** In a merge's place stand its own inputs. */
const toldInputs = ({ inputs }: Vertex): Vertex[] =>
  inputs.flatMap((input) => (isTold(input) ? [input] : toldInputs(input)));
