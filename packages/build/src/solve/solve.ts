import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import { bringLayers } from '../cache/bring-layers.ts';
import { collectSteps, type StepOutcome } from '../cache/collect-steps.ts';
import type { ResultRecord } from '../cache/records.ts';
import type { Selection } from '../files/select.ts';
import type { Vertex } from '../graph.ts';
import { type Input, type LayersInput, topChainId } from '../input.ts';
import type { BuildResult, CacheImport, PortableResult, SolveOptions } from '../solver.ts';
import { canonicalJson, vertexDigest } from '../vertex-digest.ts';
import { asBase, isStep } from './as-base.ts';
import type { SolverContext } from './context.ts';
import { contentKey, definitionKey, selectionHash, selectionsOf } from './keys.ts';
import { makeStep, type StepRequest } from './make-step.ts';
import { Report } from './report.ts';
import type { StepControl, StepOutput } from './shared-steps.ts';
import { SourceInputs } from './source-inputs.ts';

/** What is known of a step: made here, or elsewhere. */
type Found =
  | { readonly result: ResultRecord; readonly from: undefined }
  | { readonly result: PortableResult; readonly from: CacheImport };

/** One call of the solver. */
export class Solve {
  readonly #context: SolverContext;
  readonly #options: SolveOptions;
  readonly #controller = new AbortController();
  readonly #inputs = new Map<string, Promise<Input>>();
  readonly #definitionKeys = new Map<Vertex, Promise<Digest | undefined>>();
  /** What files of sources hash to: they do not change while this solve holds them. */
  readonly #folderHashes = new Map<string, Promise<string>>();
  /** What steps came to, by their vertices' digests. */
  readonly #outcomes = new Map<Digest, StepOutcome>();
  /** Layers on their way from elsewhere, by their chainID. */
  readonly #bringing = new Map<string, Promise<ResultRecord>>();
  readonly #resources = new AsyncDisposableStack();
  /** Steps that this solve has begun, and that others may go on with. */
  readonly #making = new Set<Promise<unknown>>();
  readonly #sources: SourceInputs;
  /** What stopped the others. */
  #failure: unknown;
  readonly #report: Report;
  readonly #used = new Set<string>();
  #isReleased = false;
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

  /** Everything that was held for it is given back when this settles, but for the results' lease, which they share. */
  async run(vertices: readonly Vertex[]): Promise<BuildResult[]> {
    const { signal } = this.#options;
    const onAbort = () => this.#stop(canceled(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    let done = false;
    try {
      for (const vertex of vertices) this.#report.announce(vertex);
      const results = await Promise.all(vertices.map((vertex) => this.#solveTop(vertex)));
      for (const image of this.#sources.untouchedImages) this.#report.cached(image);
      done = true;
      return results;
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
    await Promise.allSettled(this.#bringing.values());
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

  async #solveTop(vertex: Vertex): Promise<BuildResult> {
    const input = (await this.#input(asBase(vertex))) as LayersInput;
    const layers = await input.layers(this.#controller.signal);
    const top = topChainId(layers);
    this.#lease.add({
      blobs: layers.map(({ blob }) => blob.digest),
      snapshots: top === undefined ? [] : [top],
    });
    return {
      layers,
      lease: this.#lease,
      exportCache: (mode) =>
        collectSteps(asBase(vertex), mode, {
          inputsOf: ({ inputs }) => inputs.map((below, at) => (at === 0 ? asBase(below) : below)),
          outcomeOf: (step) => this.#outcomeOf(step),
        }),
    };
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
    const fastKey = await this.#definitionKey(vertex);
    const early = fastKey === undefined ? undefined : await this.#find(fastKey);
    if (early !== undefined) {
      this.#report.cachedTree(vertex);
      return this.#use(vertex, early, [fastKey as Digest], await this.#knownMakers(vertex));
    }
    const inputs = await Promise.all(
      vertex.inputs.map((input, at) => this.#input(at === 0 ? asBase(input) : input)),
    );
    this.#controller.signal.throwIfAborted();
    try {
      const key = await contentKey(vertex, inputs, (input, selection) => this.#hashOf(input, selection));
      const keys: [Digest, ...Digest[]] = fastKey === undefined ? [key] : [key, fastKey];
      const known = vertex.ignoreCache ? undefined : await this.#find(key);
      if (known !== undefined) {
        if (fastKey !== undefined && known.from === undefined)
          this.#context.records.addKey(fastKey, known.result.id);
        this.#report.cached(vertex);
        return this.#use(vertex, known, keys, makersOf(vertex, inputs, known.result));
      }
      const result = await this.#share(vertex, inputs, keys);
      return this.#use(vertex, { result, from: undefined }, keys, makersOf(vertex, inputs, result));
    } catch (error) {
      if (!this.#report.hasBegun(vertex))
        this.#report.failed(vertex, undefined, error, this.#controller.signal.aborted);
      throw error;
    }
  }

  #definitionKey(vertex: Vertex): Promise<Digest | undefined> {
    const hashesOf = async (step: Vertex, input: number): Promise<string[] | undefined> => {
      try {
        const folder = await this.#input(step.inputs[input] as Vertex);
        const wanted = selectionsOf(step).filter((selected) => selected.input === input);
        return await Promise.all(wanted.map(({ selection }) => this.#hashOf(folder, selection)));
      } catch {
        // What is not there is told of where the step itself is looked at.
        return undefined;
      }
    };
    return definitionKey(vertex, hashesOf, this.#definitionKeys);
  }

  #hashOf(input: Input, selection: Selection): Promise<string> {
    const { signal } = this.#controller;
    if (input.kind === 'layers') return selectionHash(this.#context, input, selection, signal);
    const name = `${input.path} ${canonicalJson(selection)}`;
    let hash = this.#folderHashes.get(name);
    if (hash === undefined) {
      hash = selectionHash(this.#context, input, selection, signal);
      this.#folderHashes.set(name, hash);
    }
    return hash;
  }

  /** Makes it, or waits for who makes it. */
  async #share(
    vertex: Vertex,
    inputs: readonly Input[],
    keys: readonly [key: Digest, ...more: Digest[]],
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
    const name = `${keys[0]}${vertex.ignoreCache ? ' again' : ''}`;
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

  async #find(key: string): Promise<Found | undefined> {
    const here = await this.#findHere(key);
    if (here !== undefined) return { result: here, from: undefined };
    for (const from of this.#options.cacheImports ?? []) {
      const result = from.find(key);
      if (result !== undefined) return { result, from };
    }
    return undefined;
  }

  /** A result of which everything is still there. */
  async #findHere(key: string): Promise<ResultRecord | undefined> {
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
  #use(vertex: Vertex, { result, from }: Found, keys: readonly Digest[], madeBy: readonly Digest[]): Input {
    this.#outcomes.set(vertexDigest(vertex), { keys, result, from });
    if (from === undefined) this.#hold(result.id);
    const { layers } = result;
    const lowest = layers.length - madeBy.length;
    return {
      kind: 'layers',
      identity: topChainId(layers) ?? 'scratch',
      layers: async () => {
        if (from !== undefined) await this.#bring(vertex, { result, from }, keys);
        return layers.map((layer, at) => ({ ...layer, madeBy: madeBy[at - lowest] }));
      },
      madeBy,
      recordId: from === undefined ? result.id : undefined,
    };
  }

  /** Fetches what was made elsewhere, once, and records it as if it had been made here. */
  async #bring(
    vertex: Vertex,
    { result, from }: Extract<Found, { from: CacheImport }>,
    keys: readonly Digest[],
  ): Promise<void> {
    const name = topChainId(result.layers) ?? '';
    let bringing = this.#bringing.get(name);
    if (bringing === undefined) {
      bringing = this.#fetch(vertex, { result, from }, keys);
      this.#bringing.set(name, bringing);
    }
    const record = await bringing;
    for (const key of keys) this.#context.records.addKey(key, record.id);
    this.#outcomes.set(vertexDigest(vertex), { keys, result: record, from: undefined });
  }

  async #fetch(
    vertex: Vertex,
    { result, from }: Extract<Found, { from: CacheImport }>,
    keys: readonly Digest[],
  ): Promise<ResultRecord> {
    const { store, records, random, clock } = this.#context;
    await bringLayers(store, result, from, {
      lease: this.#lease,
      signal: this.#controller.signal,
      onProgress: ({ digest, size }, currentBytes) =>
        this.#report.progress(vertex, digest, {
          currentBytes,
          totalBytes: size,
          done: currentBytes === size,
        }),
    });
    const lastUsedAtMs = clock.nowMs();
    const record = { ...result, id: random.hex(12), parents: [], lastUsedAtMs, usageCount: 0 };
    records.addResult(record, keys);
    this.#hold(record.id);
    return record;
  }

  /** Of a result whose inputs are not looked at. */
  async #knownMakers(vertex: Vertex): Promise<Digest[]> {
    const [first, linked] = vertex.inputs;
    const key = await this.#definitionKey(vertex);
    if (first === undefined || key === undefined || !isStep(vertex)) return [];
    if (vertex.operation.kind === 'merge' && linked !== undefined) {
      return [...(await this.#knownMakers(asBase(first))), ...(await this.#knownMakers(linked))];
    }
    const found = await this.#find(key);
    const below = await this.#knownMakers(asBase(first));
    return found?.result.sizeBytes === 0 ? below : [...below, vertexDigest(vertex)];
  }

  /** What is known of a step after the solve, also of one that was not looked at because what stands on it was known. */
  async #outcomeOf(vertex: Vertex): Promise<StepOutcome | undefined> {
    if (!isStep(vertex)) return undefined;
    const known = this.#outcomes.get(vertexDigest(vertex));
    if (known !== undefined) return known;
    const key = await this.#definitionKey(vertex);
    const found = key === undefined ? undefined : await this.#find(key);
    return key === undefined || found === undefined ? undefined : { keys: [key], ...found };
  }

  /** Nothing prunes it until the solve has ended. */
  #hold(id: string): void {
    const { inUse } = this.#context;
    if (this.#isReleased || this.#used.has(id)) return;
    this.#used.add(id);
    inUse.set(id, (inUse.get(id) ?? 0) + 1);
  }

  #release(): void {
    const { inUse, records, clock } = this.#context;
    this.#isReleased = true;
    for (const id of this.#used) {
      const left = (inUse.get(id) ?? 1) - 1;
      if (left === 0) inUse.delete(id);
      else inUse.set(id, left);
    }
    if (this.#used.size > 0) records.markUsed(this.#used, clock.nowMs());
  }
}

function makersOf(
  vertex: Vertex,
  inputs: readonly Input[],
  { sizeBytes }: Pick<ResultRecord, 'sizeBytes'>,
): Digest[] {
  const [below, linked] = inputs.map((input) => (input.kind === 'layers' ? input.madeBy : []));
  if (vertex.operation.kind === 'merge') return [...(below ?? []), ...(linked ?? [])];
  return [...(below ?? []), ...(sizeBytes === 0 ? [] : [vertexDigest(vertex)])];
}

const canceled = (cause: unknown): SlipwayError =>
  isSlipwayError(cause, 'Canceled')
    ? cause
    : new SlipwayError('Canceled', 'the build was canceled', { cause });
