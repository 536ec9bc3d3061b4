import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import type { Layers, ResultRecord } from '../cache/records.ts';
import type { Vertex } from '../graph.ts';
import { type Input, type LayersInput, topChainId } from '../input.ts';
import type { BuildResult, SolveOptions } from '../solver.ts';
import { vertexDigest } from '../vertex-digest.ts';
import type { SolverContext } from './context.ts';
import { contentKey, definitionKey } from './keys.ts';
import { makeStep, type StepRequest } from './make-step.ts';
import { Report } from './report.ts';
import type { StepControl, StepOutput } from './shared-steps.ts';
import { SourceInputs } from './source-inputs.ts';

/** One call of `Solver.solve`. */
export class Solve {
  readonly #context: SolverContext;
  readonly #options: SolveOptions;
  readonly #controller = new AbortController();
  readonly #inputs = new Map<string, Promise<Input>>();
  readonly #definitionKeys = new Map<Vertex, Digest | undefined>();
  readonly #resources = new AsyncDisposableStack();
  /** Steps that this solve has begun, and that others may go on with. */
  readonly #making = new Set<Promise<unknown>>();
  readonly #sources: SourceInputs;
  /** What stopped the others. */
  #failure: unknown;
  readonly #report: Report;
  readonly #used = new Set<string>();
  readonly #lease: Lease;

  constructor(context: SolverContext, options: SolveOptions) {
    this.#context = context;
    this.#options = options;
    this.#report = new Report(context.clock, options.onEvent);
    this.#lease = context.store.leases.acquire();
    this.#sources = new SourceInputs(context, {
      session: options.session,
      signal: this.#controller.signal,
      report: this.#report,
      resources: this.#resources,
      lease: this.#lease,
    });
  }

  /** Everything that was held for it is given back when this settles, but for the result's lease. */
  async run(vertex: Vertex): Promise<BuildResult> {
    const { signal } = this.#options;
    const onAbort = () => this.#stop(canceled(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    let done = false;
    try {
      const layers = await this.#solveTop(vertex);
      done = true;
      return { layers, lease: this.#lease };
    } catch (error) {
      this.#stop(error);
      throw this.#failure;
    } finally {
      signal.removeEventListener('abort', onAbort);
      await Promise.allSettled(this.#inputs.values());
      const cleaned = this.#cleanUp(done);
      // Others go on with a step of this solve's, and with what it reads.
      if (this.#making.size === 0) await cleaned;
      else
        cleaned.catch((error) =>
          this.#context.logger.warn({ error: errorMessage(error) }, 'a build left something'),
        );
    }
  }

  async #cleanUp(isDone: boolean): Promise<void> {
    await Promise.allSettled(this.#making);
    await this.#resources.disposeAsync();
    this.#release();
    if (!isDone) await this.#lease[Symbol.asyncDispose]();
  }

  /** The first reason counts; what it stops fails with another. */
  #stop(failure: unknown): void {
    if (this.#controller.signal.aborted) return;
    this.#failure = failure;
    this.#controller.abort(canceled(failure));
  }

  async #solveTop(vertex: Vertex): Promise<Layers> {
    this.#report.announce(vertex);
    const input = (await this.#input(asBase(vertex))) as LayersInput;
    const layers = await input.layers(this.#controller.signal);
    const top = topChainId(layers);
    this.#lease.add({
      blobs: layers.map(({ blob }) => blob.digest),
      snapshots: top === undefined ? [] : [top],
    });
    for (const image of this.#sources.untouchedImages) this.#report.cached(image);
    return layers;
  }

  /** What a vertex comes to, each once. The first that fails stops the others. */
  #input(vertex: Vertex): Promise<Input> {
    const name = `${vertexDigest(vertex)}${vertex.ignoreCache ? ' again' : ''}`;
    let input = this.#inputs.get(name);
    if (input === undefined) {
      input = isStep(vertex) ? this.#step(vertex) : this.#sources.open(vertex);
      this.#inputs.set(name, input);
      input.catch((error) => this.#stop(error));
    }
    return input;
  }

  async #step(vertex: Vertex): Promise<Input> {
    const { records } = this.#context;
    const fastKey = definitionKey(vertex, this.#definitionKeys);
    const early = fastKey === undefined ? undefined : await this.#findResult(fastKey);
    if (early !== undefined) {
      this.#report.cachedTree(vertex);
      return this.#use(early, this.#knownMakers(vertex));
    }
    const inputs = await Promise.all(
      vertex.inputs.map((input, at) => this.#input(at === 0 ? asBase(input) : input)),
    );
    const { signal } = this.#controller;
    signal.throwIfAborted();
    try {
      const key = await contentKey(this.#context, vertex, inputs, signal);
      const known = vertex.ignoreCache ? undefined : await this.#findResult(key);
      if (known !== undefined) {
        if (fastKey !== undefined) records.addKey(fastKey, known.id);
        this.#report.cached(vertex);
        return this.#use(known, makersOf(vertex, inputs, known));
      }
      const made = await this.#share(vertex, inputs, key, fastKey);
      return this.#use(made, makersOf(vertex, inputs, made));
    } catch (error) {
      if (!this.#report.hasBegun(vertex))
        this.#report.failed(vertex, undefined, error, this.#controller.signal.aborted);
      throw error;
    }
  }

  /** Makes it, or waits for who makes it. */
  async #share(
    vertex: Vertex,
    inputs: readonly Input[],
    key: Digest,
    fastKey: Digest | undefined,
  ): Promise<ResultRecord> {
    const digest = vertexDigest(vertex);
    let startedAtMs: number | undefined;
    const watcher = {
      signal: this.#controller.signal,
      onStart: (atMs: number) => {
        startedAtMs = atMs;
        this.#report.started(vertex, startedAtMs);
      },
      onOutput: (output: StepOutput) => this.#options.onEvent({ kind: 'log', digest, ...output }),
    };
    const name = `${key}${vertex.ignoreCache ? ' again' : ''}`;
    const keys = fastKey === undefined ? [key] : [key, fastKey];
    const { signal } = this.#controller;
    for (let isOwn = false; ; ) {
      try {
        const result = await this.#context.steps.run(name, watcher, (step) => {
          isOwn = true;
          return this.#make({ vertex, inputs, session: this.#options.session, keys }, step);
        });
        this.#report.completed(vertex, startedAtMs);
        return result;
      } catch (error) {
        // The build that had begun it was given up, and what the step needed went with it.
        if (isSlipwayError(error, 'Canceled') && !signal.aborted && !isOwn) continue;
        this.#report.failed(vertex, startedAtMs, error, signal.aborted);
        throw error;
      }
    }
  }

  async #make(request: StepRequest, step: StepControl): Promise<ResultRecord> {
    step.signal.throwIfAborted();
    step.onStart(this.#context.clock.nowMs());
    const making = makeStep(this.#context, request, step);
    this.#making.add(making);
    try {
      return await making;
    } finally {
      this.#making.delete(making);
    }
  }

  /** A result of which everything is still there. */
  async #findResult(key: string): Promise<ResultRecord | undefined> {
    const { records, store } = this.#context;
    const result = records.findResult(key);
    const top = result?.layers.at(-1);
    if (result === undefined || top === undefined) return result;
    this.#hold(result.id);
    const [snapshot, blob] = await Promise.all([
      store.snapshots.find(top.chainId),
      store.content.find(top.blob.digest),
    ]);
    if (snapshot !== undefined && blob !== undefined) return result;
    records.removeResult(result.id);
    return undefined;
  }

  /** @param madeBy the vertices of this build that its layers stand for; another build's may have made them */
  #use(result: ResultRecord, madeBy: readonly Digest[]): Input {
    this.#hold(result.id);
    const { layers, id } = result;
    const lowest = layers.length - madeBy.length;
    return {
      kind: 'layers',
      identity: topChainId(layers) ?? 'scratch',
      layers: async () => layers.map((layer, at) => ({ ...layer, madeBy: madeBy[at - lowest] })),
      madeBy,
      recordId: id,
    };
  }

  /** Of a result whose inputs are not looked at. */
  #knownMakers(vertex: Vertex): Digest[] {
    const [below, linked] = vertex.inputs;
    const key = definitionKey(vertex, this.#definitionKeys);
    if (below === undefined || key === undefined || !isStep(vertex)) return [];
    if (vertex.operation.kind === 'merge' && linked !== undefined) {
      return [...this.#knownMakers(below), ...this.#knownMakers(linked)];
    }
    const adds = this.#context.records.findResult(key)?.sizeBytes !== 0;
    return [...this.#knownMakers(below), ...(adds ? [vertexDigest(vertex)] : [])];
  }

  /** Nothing prunes it until the solve has ended. */
  #hold(id: string): void {
    const { inUse } = this.#context;
    if (this.#used.has(id)) return;
    this.#used.add(id);
    inUse.set(id, (inUse.get(id) ?? 0) + 1);
  }

  #release(): void {
    const { inUse, records, clock } = this.#context;
    for (const id of this.#used) {
      const left = (inUse.get(id) ?? 1) - 1;
      if (left === 0) inUse.delete(id);
      else inUse.set(id, left);
    }
    if (this.#used.size > 0) records.markUsed(this.#used, clock.nowMs());
  }
}

function makersOf(vertex: Vertex, inputs: readonly Input[], { sizeBytes }: ResultRecord): Digest[] {
  const [below, linked] = inputs.map((input) => (input.kind === 'layers' ? input.madeBy : []));
  if (vertex.operation.kind === 'merge') return [...(below ?? []), ...(linked ?? [])];
  return [...(below ?? []), ...(sizeBytes === 0 ? [] : [vertexDigest(vertex)])];
}

const isStep = ({ operation }: Vertex): boolean => ['files', 'run', 'merge'].includes(operation.kind);

/** What others stand on has layers: a source that has none is copied into one. */
const asBase = (vertex: Vertex): Vertex =>
  ['local', 'http', 'git'].includes(vertex.operation.kind) ? copyOf(vertex) : vertex;

const copyOf = (vertex: Vertex): Vertex => ({
  operation: {
    kind: 'files',
    actions: [
      {
        kind: 'copy',
        from: 1,
        source: '/',
        destination: '/',
        owner: undefined,
        mode: undefined,
        contentsOnly: true,
        unpack: false,
        parents: false,
        excludes: [],
        allowNothing: true,
      },
    ],
  },
  inputs: [{ ...vertex, operation: { kind: 'scratch' }, inputs: [], title: 'scratch' }, vertex],
  title: vertex.title,
  ignoreCache: false,
  platform: vertex.platform,
});

const canceled = (cause: unknown): SlipwayError =>
  isSlipwayError(cause, 'Canceled')
    ? cause
    : new SlipwayError('Canceled', 'the build was canceled', { cause });
