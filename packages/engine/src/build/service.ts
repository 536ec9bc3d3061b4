import { rmSync } from 'node:fs';
import type { Clock, HostPath, Logger, Random } from '@slipway/base';
import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type {
  BuildEvent,
  BuildHost,
  BuildResult,
  BuildSession,
  CacheImport,
  ContextSources,
  DockerfilePlan,
  PlanOptions,
  Solver,
} from '@slipway/build';
import { planDockerfile, writeInlineCache } from '@slipway/build';
import type { Credentials } from '@slipway/distribution/client';
import { parseDockerfile } from '@slipway/dockerfile';
import { computeDigest, type Descriptor, type Reference } from '@slipway/oci';
import type { Runtime } from '@slipway/runtime';
import type { Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { ImageParts, ImageService, ImageStatement } from '../images/index.ts';
import type { TransferService } from '../transfer/index.ts';
import { type BuildFacts, provenanceOf } from './attest/provenance.ts';
import type { AttestationRequest } from './attest/request.ts';
import type { CacheSource } from './cache/entries.ts';
import { pushCache, writeCache } from './cache/export.ts';
import { importCache } from './cache/import.ts';
import { type ArchiveOptions, exportArchive } from './export/export-archive.ts';
import {
  type Built,
  type BuiltImage,
  type ExportedImage,
  exportImages,
  partsOf,
} from './export/export-image.ts';
import { exportTar, openFiles } from './export/open-files.ts';
import { type BuildRecord, BuildRecords } from './records.ts';

export interface BuildServiceOptions {
  readonly solver: Solver;
  readonly host: BuildHost;
  readonly store: Store;
  readonly images: ImageService;
  readonly transfer: TransferService;
  readonly runtime: Runtime;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** For contexts while they are built. */
  readonly scratchRoot: HostPath;
  /** For what lives as long as the process. */
  readonly runRoot: HostPath;
}

/** One build while it runs. */
export interface BuildCall {
  readonly session: BuildSession;
  readonly signal: AbortSignal;
}

type WithoutContext<F> = F extends (context: never, ...rest: infer R) => unknown ? R : never;

/** What a build needs to be known by in the history. */
export interface BuildName {
  readonly name: string;
  /** Who may cancel it by; a new one when it is not given. */
  readonly id?: string | undefined;
}

/** The build slice: plans, solves and exports; every door builds through it. */
export class BuildService {
  readonly solver: Solver;
  readonly scratchRoot: HostPath;
  readonly random: Random;
  readonly clock: Clock;
  readonly #given: BuildServiceOptions;
  readonly #records: BuildRecords;
  readonly #running = new Map<string, AbortController>();

  /** Contexts that another process left are removed. */
  constructor(given: BuildServiceOptions) {
    rmSync(given.scratchRoot, { recursive: true, force: true });
    this.#given = given;
    this.solver = given.solver;
    this.scratchRoot = given.scratchRoot;
    this.random = given.random;
    this.clock = given.clock;
    this.#records = new BuildRecords(given.store.database);
  }

  /**
   * What a Dockerfile comes to. Images that it begins with and that are not here are pulled.
   * @throws DockerfileError; NotFound for an image that no registry has
   */
  plan(
    text: string,
    options: PlanOptions & { readonly pull: boolean; readonly fileName?: string },
    { session, signal, contexts }: BuildCall & { readonly contexts?: ContextSources | undefined },
  ): Promise<DockerfilePlan> {
    const { pull, fileName = 'Dockerfile' } = options;
    return planDockerfile(parseDockerfile(text, { name: fileName }), options, {
      resolveImage: (reference, platform) =>
        this.#given.host.resolveImage(reference, { platform, pull, session, signal }),
      contexts,
    });
  }

  /** @see BuildHost.resolveImage */
  resolveImage(...asked: Parameters<BuildHost['resolveImage']>): ReturnType<BuildHost['resolveImage']> {
    return this.#given.host.resolveImage(...asked);
  }

  /** @see Solver.solve */
  solve(
    plan: Pick<DockerfilePlan, 'vertex'>,
    options: BuildCall & {
      readonly onEvent: (event: BuildEvent) => void;
      readonly cacheImports?: readonly CacheImport[] | undefined;
    },
  ): Promise<BuildResult> {
    return this.solver.solve(plan.vertex, options);
  }

  /** Several plans that share what they can. @see Solver.solveAll */
  solveAll(
    plans: readonly Pick<DockerfilePlan, 'vertex'>[],
    options: Parameters<BuildService['solve']>[1],
  ): Promise<BuildResult[]> {
    return this.solver.solveAll(
      plans.map(({ vertex }) => vertex),
      options,
    );
  }

  /** Makes an image of the engine of what was built, for one platform or several. @see exportImages */
  exportImages(images: readonly BuiltImage[], references: readonly Reference[]): Promise<ExportedImage> {
    return exportImages({ ...this.#given, records: this.#records }, { images, references });
  }

  /** Sends what was built to a registry. @returns what the name means there now */
  async push(
    images: readonly BuiltImage[],
    { reference, credentials }: { reference: Reference; credentials: Credentials | undefined },
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const { store, transfer } = this.#given;
    await using lease = store.leases.acquire({
      resources: { blobs: images.flatMap(({ result }) => result.layers.map(({ blob }) => blob.digest)) },
    });
    const parts = images.map((image) => this.#partsOf(image));
    const own = parts
      .map(({ configBytes }) => this.#given.images.find(computeDigest(configBytes)))
      .find((image) => image !== undefined);
    return await transfer.pushImages({ reference, credentials, images: parts, own, lease }, signal);
  }

  /** An OCI layout or a docker-archive. @see exportArchive */
  exportArchive(
    images: readonly BuiltImage[],
    options: Pick<ArchiveOptions, 'format' | 'references'>,
  ): AsyncIterable<Uint8Array> {
    const parts = images.map((image) => this.#partsOf(image));
    return exportArchive(this.#given.store, { ...options, images: parts });
  }

  #partsOf(image: BuiltImage): ImageParts {
    return partsOf({ ...this.#given, records: this.#records }, image);
  }

  /** What is to be said about an image that was built. */
  async attest(
    built: Built,
    { provenance, sbom }: AttestationRequest,
    { facts, signal }: { readonly facts: BuildFacts; readonly signal: AbortSignal },
  ): Promise<ImageStatement[]> {
    const { clock, images } = this.#given;
    const { plan, result } = built;
    const statements: ImageStatement[] = [];
    if (sbom) {
      const id = computeDigest(this.#partsOf({ ...built, statements: [] }).configBytes);
      const subject = { image: { name: facts.name, id, purl: undefined }, layers: result.layers };
      const { text } = await images.sbomOfLayers(subject, { format: 'spdx-json', signal });
      statements.push({ predicateType: 'https://spdx.dev/Document', predicate: JSON.parse(text) });
    }
    if (provenance !== undefined) {
      const layers = result.layers.map(({ blob }) => blob);
      statements.push(provenanceOf({ plan, layers }, provenance, facts, clock.nowMs()));
    }
    return statements;
  }

  /** Reads what other builders' caches say. @see importCache */
  importCache(
    source: CacheSource,
    asking: Parameters<typeof importCache>[2],
  ): ReturnType<typeof importCache> {
    return importCache(this.#given, source, asking);
  }

  /** Sends the cache of what was built to a registry. @see pushCache */
  pushCache(...given: WithoutContext<typeof pushCache>): Promise<Descriptor> {
    return pushCache(this.#given, ...given);
  }

  /** Writes the cache of what was built into a folder of the client. @see writeCache */
  writeCache(...given: WithoutContext<typeof writeCache>): Promise<Descriptor> {
    return writeCache(this.#given, ...given);
  }

  /** What an image's configuration is to say of the steps that made it. */
  async inlineCacheOf({ exportCache: steps, layers }: BuildResult): Promise<string> {
    return writeInlineCache(await steps('min'), layers);
  }

  /** The file system alone, as an archive. */
  exportTar(
    plan: Pick<DockerfilePlan, 'epochMs'>,
    result: BuildResult,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    return exportTar(this.#given, result, { signal, epochMs: plan.epochMs });
  }

  /** The file system as a folder, until disposed. @see openFiles */
  openFiles(result: BuildResult, signal: AbortSignal): ReturnType<typeof openFiles> {
    return openFiles(this.#given, result, { signal });
  }

  /**
   * Runs a build under a name: it is in the history while it runs and afterwards, and can be canceled. `work` is given the
   * signal that says so.
   * @throws what `work` throws; Canceled
   */
  async run<T>(
    { name, id = this.random.hex(16) }: BuildName,
    outer: AbortSignal,
    work: (signal: AbortSignal, build: { update(change: Partial<BuildRecord>): void }) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#given;
    const controller = new AbortController();
    const signal = AbortSignal.any([outer, controller.signal]);
    let record: BuildRecord = {
      id,
      name,
      startedAtMs: clock.nowMs(),
      completedAtMs: undefined,
      status: 'running',
      stepsTotal: 0,
      stepsCached: 0,
      error: undefined,
      imageId: undefined,
    };
    this.#running.set(id, controller);
    this.#records.put(record);
    const update = (change: Partial<BuildRecord>) => {
      record = { ...record, ...change };
    };
    try {
      const done = await work(signal, { update });
      update({ status: 'completed' });
      return done;
    } catch (error) {
      update({ status: signal.aborted ? 'canceled' : 'error', error: errorMessage(error) });
      throw signal.aborted && !isSlipwayError(error, 'Canceled')
        ? new SlipwayError('Canceled', 'the build was canceled', { cause: error })
        : error;
    } finally {
      this.#running.delete(id);
      this.#records.put({ ...record, completedAtMs: clock.nowMs() });
    }
  }

  /** Ends a build that runs; one that does not is none to end. */
  cancel(id: string): void {
    this.#running.get(id)?.abort(new SlipwayError('Canceled', 'the build was canceled'));
  }

  /** The newest first. */
  history(): BuildRecord[] {
    return this.#records.list();
  }

  /** @throws NotFound */
  forget(id: string): void {
    if (this.#records.remove(id)) return;
    throw new SlipwayError('NotFound', `no build ${id} in the history`);
  }

  /** @see Solver.prune */
  async prune(options: Parameters<Solver['prune']>[0]): ReturnType<Solver['prune']> {
    const { removed, freedBytes } = await this.solver.prune(options);
    const { freedBytes: collected } = await this.#given.images.collectGarbage();
    this.#given.events.publish({
      type: 'builder',
      action: 'prune',
      id: '',
      attributes: { reclaimed: String(Math.max(freedBytes, collected)) },
    });
    return { removed, freedBytes: Math.max(freedBytes, collected) };
  }
}
