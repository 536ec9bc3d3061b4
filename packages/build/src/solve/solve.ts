import { SlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import type { Layers, ResultRecord } from '../cache/records.ts';
import type { Operation, Vertex } from '../graph.ts';
import { commitLayer, isUnchanged } from '../operations/commit-layer.ts';
import { performFileActions } from '../operations/files.ts';
import type { Input } from '../operations/inputs.ts';
import { openWorkspace, topChainId } from '../operations/rootfs.ts';
import { runCommand } from '../operations/run.ts';
import type { BuildResult, SolveOptions } from '../solver.ts';
import { openGit } from '../sources/git.ts';
import { openHttp } from '../sources/http.ts';
import { openLocal } from '../sources/local.ts';
import { vertexDigest } from '../vertex-digest.ts';
import type { SolverContext } from './context.ts';
import { contentKey, definitionKey, imageIdentity } from './keys.ts';
import { Report } from './report.ts';
import type { StepOutput } from './shared-steps.ts';

type VertexOf<K extends Operation['kind']> = Vertex & { readonly operation: Extract<Operation, { kind: K }> };
type LayersInput = Extract<Input, { kind: 'layers' }>;

/** One call of `Solver.solve`. */
export class Solve {
  readonly #context: SolverContext;
  readonly #options: SolveOptions;
  readonly #controller = new AbortController();
  readonly #inputs = new Map<string, Promise<Input>>();
  readonly #definitionKeys = new Map<Vertex, Digest | undefined>();
  readonly #resources = new AsyncDisposableStack();
  /** Images that nobody has had to fetch. */
  readonly #untouchedImages = new Map<Digest, Vertex>();
  readonly #report: Report;
  readonly #used = new Set<string>();
  readonly #lease: Lease;

  constructor(context: SolverContext, options: SolveOptions) {
    this.#context = context;
    this.#options = options;
    this.#report = new Report(context.clock, options.onEvent);
    this.#lease = context.store.database.relaxed(() => context.store.leases.acquire());
  }

  /** Everything that was held for it is given back when this settles, but for the result's lease. */
  async run(vertex: Vertex): Promise<BuildResult> {
    const { signal } = this.#options;
    const onAbort = () => this.#controller.abort(canceled(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    let done = false;
    try {
      const layers = await this.#solveTop(vertex);
      done = true;
      return { layers, lease: this.#lease };
    } catch (error) {
      this.#controller.abort(canceled(error));
      throw this.#options.signal.aborted ? canceled(this.#options.signal.reason) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      await Promise.allSettled(this.#inputs.values());
      await this.#resources.disposeAsync();
      this.#release();
      if (!done) await this.#lease[Symbol.asyncDispose]();
    }
  }

  async #solveTop(vertex: Vertex): Promise<Layers> {
    this.#report.announce(vertex);
    const input = (await this.#input(asBase(vertex))) as LayersInput;
    const layers = await input.layers(this.#controller.signal);
    const top = topChainId(layers);
    this.#context.store.database.relaxed(() =>
      this.#lease.add({
        blobs: layers.map(({ blob }) => blob.digest),
        snapshots: top === undefined ? [] : [top],
      }),
    );
    for (const image of this.#untouchedImages.values()) this.#report.cached(image);
    return layers;
  }

  /** What a vertex comes to, each once. The first that fails stops the others. */
  #input(vertex: Vertex): Promise<Input> {
    const name = `${vertexDigest(vertex)}${vertex.ignoreCache ? ' again' : ''}`;
    let input = this.#inputs.get(name);
    if (input === undefined) {
      input = this.#open(vertex);
      this.#inputs.set(name, input);
      input.catch((error) => this.#controller.abort(canceled(error)));
    }
    return input;
  }

  #open(vertex: Vertex): Promise<Input> {
    switch (vertex.operation.kind) {
      case 'scratch':
        return Promise.resolve({
          kind: 'layers',
          identity: 'scratch',
          layers: async () => [],
          madeBy: [],
          recordId: undefined,
        });
      case 'image':
        return Promise.resolve(this.#openImage(vertex as VertexOf<'image'>));
      case 'local':
        return this.#openLocal(vertex as VertexOf<'local'>);
      case 'http':
        return this.#openHttp(vertex as VertexOf<'http'>);
      case 'git':
        return this.#openGit(vertex as VertexOf<'git'>);
      default:
        return this.#step(vertex);
    }
  }

  #openImage(vertex: VertexOf<'image'>): LayersInput {
    this.#untouchedImages.set(vertexDigest(vertex), vertex);
    let fetched: Promise<Layers> | undefined;
    const layers = () => {
      fetched ??= this.#fetchImage(vertex);
      return fetched;
    };
    return { kind: 'layers', identity: imageIdentity(vertex), layers, madeBy: [], recordId: undefined };
  }

  #fetchImage(vertex: VertexOf<'image'>): Promise<Layers> {
    this.#untouchedImages.delete(vertexDigest(vertex));
    const { host, store } = this.#context;
    const { reference, manifest } = vertex.operation;
    return this.#timed(vertex, async (signal) => {
      const image = await host.fetchImage(reference, manifest, {
        platform: vertex.platform,
        session: this.#options.session,
        signal,
        onProgress: ({ id, currentBytes, totalBytes, done }) =>
          this.#report.progress(vertex, id, { currentBytes, totalBytes, done }),
      });
      const layers = image.layers.map((layer) => ({ ...layer, madeBy: undefined }));
      const top = topChainId(layers);
      store.database.relaxed(() =>
        this.#lease.add({
          blobs: [manifest.digest, ...layers.map(({ blob }) => blob.digest)],
          snapshots: top === undefined ? [] : [top],
        }),
      );
      return layers;
    });
  }

  #openLocal(vertex: VertexOf<'local'>): Promise<Input> {
    const { folders } = this.#context;
    const { session } = this.#options;
    return this.#timed(vertex, async (signal) => {
      let received = 0;
      const onProgress = (bytes: number) => {
        received = bytes;
        this.#report.progress(vertex, 'transferring context:', { currentBytes: bytes, done: false });
      };
      const call = { signal, onProgress };
      const folder = this.#resources.use(await openLocal(vertex.operation, { folders, session }, call));
      this.#report.progress(vertex, 'transferring context:', { currentBytes: received, done: true });
      return { kind: 'folder', path: folder.path };
    });
  }

  #openHttp(vertex: VertexOf<'http'>): Promise<Input> {
    return this.#timed(vertex, async (signal) => {
      const { folder } = await openHttp(vertex.operation, this.#context, {
        signal,
        onProgress: (current, total) =>
          this.#report.progress(vertex, vertex.operation.fileName, {
            currentBytes: current,
            totalBytes: total,
            done: current === total,
          }),
      });
      this.#resources.use(folder);
      return { kind: 'folder', path: folder.path };
    });
  }

  #openGit(vertex: VertexOf<'git'>): Promise<Input> {
    return this.#timed(vertex, async (signal) => {
      const { session } = this.#options;
      const { folder, path } = await openGit(vertex.operation, this.#context.folders, { session, signal });
      this.#resources.use(folder);
      return { kind: 'folder', path };
    });
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
        return this.#use(known, makersOf(vertex, inputs[0], known));
      }
      const made = await this.#share(vertex, inputs, key, fastKey);
      return this.#use(made, makersOf(vertex, inputs[0], made));
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
    try {
      const keys = fastKey === undefined ? [key] : [key, fastKey];
      const result = await this.#context.steps.run(name, watcher, async ({ signal, onStart, onOutput }) => {
        using _slot = await this.#context.slots.acquire(signal);
        onStart(this.#context.clock.nowMs());
        return await this.#make(vertex, inputs, keys, { signal, onOutput });
      });
      this.#report.completed(vertex, startedAtMs);
      return result;
    } catch (error) {
      this.#report.failed(vertex, startedAtMs, error, this.#controller.signal.aborted);
      throw error;
    }
  }

  async #make(
    vertex: Vertex,
    inputs: readonly Input[],
    keys: readonly string[],
    step: { readonly signal: AbortSignal; readonly onOutput: (output: StepOutput) => void },
  ): Promise<ResultRecord> {
    const { store, records, clock, random } = this.#context;
    const { operation } = vertex;
    const below = await (inputs[0] as LayersInput).layers(step.signal);
    const lease = store.database.relaxed(() => store.leases.acquire());
    try {
      await using workspace = await openWorkspace(this.#context, below, step.signal);
      if (operation.kind === 'run') {
        await runCommand(this.#context, workspace, {
          operation,
          inputs,
          session: this.#options.session,
          ...step,
        });
      } else if (operation.kind === 'files') {
        await performFileActions(this.#context, workspace, operation.actions, inputs, step.signal);
        await workspace.sandbox[Symbol.asyncDispose]();
      }
      // A RUN always makes a layer, as BuildKit has it.
      const adds = operation.kind === 'run' || !(await isUnchanged(this.#context, workspace.key));
      const layer = adds
        ? await commitLayer(this.#context, workspace.key, below, {
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
        parents: inputs.flatMap((input) =>
          input.kind === 'layers' && input.recordId ? [input.recordId] : [],
        ),
        description: vertex.title,
        sizeBytes: layer?.blob.size ?? 0,
        createdAtMs: now,
        lastUsedAtMs: now,
        usageCount: 0,
      };
      records.addResult(result, keys);
      return result;
    } finally {
      await store.database.relaxed(() => lease[Symbol.asyncDispose]());
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
    const below = vertex.inputs[0];
    const key = definitionKey(vertex, this.#definitionKeys);
    if (below === undefined || key === undefined || !isStep(vertex)) return [];
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

  /** Runs a source's work with the vertex's beginning and end told. */
  async #timed<T>(vertex: Vertex, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#context;
    const { signal } = this.#controller;
    const startedAtMs = clock.nowMs();
    this.#report.started(vertex, startedAtMs);
    try {
      signal.throwIfAborted();
      const result = await work(signal);
      this.#report.completed(vertex, startedAtMs);
      return result;
    } catch (error) {
      this.#report.failed(vertex, startedAtMs, error, this.#controller.signal.aborted);
      throw error;
    }
  }
}

function makersOf(vertex: Vertex, below: Input | undefined, { sizeBytes }: ResultRecord): Digest[] {
  const own = sizeBytes === 0 ? [] : [vertexDigest(vertex)];
  return below?.kind === 'layers' ? [...below.madeBy, ...own] : own;
}

const isStep = ({ operation }: Vertex): boolean => operation.kind === 'files' || operation.kind === 'run';

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

function canceled(cause: unknown): SlipwayError {
  if (cause instanceof SlipwayError) return cause;
  return new SlipwayError('Canceled', 'the build was canceled', { cause });
}
