import { SlipwayError } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { Lease } from '@slipway/store';
import type { Layers } from '../cache/records.ts';
import type { Operation, Vertex } from '../graph.ts';
import { type Input, topChainId } from '../input.ts';
import type { BuildSession } from '../solver.ts';
import { openGit } from '../sources/git.ts';
import { openHttp } from '../sources/http.ts';
import { openLocal } from '../sources/local.ts';
import { vertexDigest } from '../vertex-digest.ts';
import type { SolverContext } from './context.ts';
import { imageIdentity } from './keys.ts';
import type { Report } from './report.ts';

type VertexOf<K extends Operation['kind']> = Vertex & { readonly operation: Extract<Operation, { kind: K }> };

interface SourceInputsOptions {
  readonly session: BuildSession;
  readonly signal: AbortSignal;
  readonly report: Report;
  /** Takes what the sources hold. */
  readonly resources: AsyncDisposableStack;
  /** Keeps images. */
  readonly lease: Lease;
}

/** The vertices of one solve that have no inputs. Images are fetched when their files are wanted. */
export class SourceInputs {
  readonly #context: SolverContext;
  readonly #given: SourceInputsOptions;
  /** Images that nobody has had to fetch. */
  readonly #untouchedImages = new Map<Digest, Vertex>();

  constructor(context: SolverContext, given: SourceInputsOptions) {
    this.#context = context;
    this.#given = given;
  }

  /** The images that were not needed themselves, because all that stands on them was known. */
  get untouchedImages(): Iterable<Vertex> {
    return this.#untouchedImages.values();
  }

  /** @throws what the source throws */
  open(vertex: Vertex): Promise<Input> {
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
        throw new SlipwayError('Internal', `a ${vertex.operation.kind} vertex is no source`);
    }
  }

  #openImage(vertex: VertexOf<'image'>): Input {
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
    const { host } = this.#context;
    const { reference, manifest } = vertex.operation;
    return this.#timed(vertex, async (signal) => {
      const image = await host.fetchImage(reference, manifest, {
        platform: vertex.platform,
        session: this.#given.session,
        signal,
        onProgress: ({ id, currentBytes, totalBytes, done }) =>
          this.#given.report.progress(vertex, id, { currentBytes, totalBytes, done }),
      });
      const layers = image.layers.map((layer) => ({ ...layer, madeBy: undefined }));
      const top = topChainId(layers);
      this.#given.lease.add({
        blobs: [manifest.digest, ...layers.map(({ blob }) => blob.digest)],
        snapshots: top === undefined ? [] : [top],
      });
      return layers;
    });
  }

  #openLocal(vertex: VertexOf<'local'>): Promise<Input> {
    const { folders } = this.#context;
    const { session } = this.#given;
    return this.#timed(vertex, async (signal) => {
      let received = 0;
      const onProgress = (bytes: number) => {
        received = bytes;
        this.#given.report.progress(vertex, 'transferring context:', { currentBytes: bytes, done: false });
      };
      const call = { signal, onProgress };
      const folder = this.#given.resources.use(await openLocal(vertex.operation, { folders, session }, call));
      this.#given.report.progress(vertex, 'transferring context:', { currentBytes: received, done: true });
      return { kind: 'folder', path: folder.path };
    });
  }

  #openHttp(vertex: VertexOf<'http'>): Promise<Input> {
    return this.#timed(vertex, async (signal) => {
      const { folder } = await openHttp(vertex.operation, this.#context, {
        signal,
        onProgress: (current, total) =>
          this.#given.report.progress(vertex, vertex.operation.fileName, {
            currentBytes: current,
            totalBytes: total,
            done: current === total,
          }),
      });
      this.#given.resources.use(folder);
      return { kind: 'folder', path: folder.path };
    });
  }

  #openGit(vertex: VertexOf<'git'>): Promise<Input> {
    return this.#timed(vertex, async (signal) => {
      const { session } = this.#given;
      const { folder, path } = await openGit(vertex.operation, this.#context.folders, { session, signal });
      this.#given.resources.use(folder);
      return { kind: 'folder', path };
    });
  }

  /** Runs a source's work with the vertex's beginning and end told. */
  async #timed<T>(vertex: Vertex, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#context;
    const { signal } = this.#given;
    const startedAtMs = clock.nowMs();
    this.#given.report.started(vertex, startedAtMs);
    try {
      signal.throwIfAborted();
      const result = await work(signal);
      this.#given.report.completed(vertex, startedAtMs);
      return result;
    } catch (error) {
      this.#given.report.failed(vertex, startedAtMs, error, this.#given.signal.aborted);
      throw error;
    }
  }
}
