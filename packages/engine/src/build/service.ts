import { rmSync } from 'node:fs';
import type { Clock, HostPath, Logger, Random } from '@slipway/base';
import { errorMessage, isSlipwayError, SlipwayError } from '@slipway/base';
import type {
  BuildEvent,
  BuildHost,
  BuildResult,
  BuildSession,
  DockerfilePlan,
  PlanOptions,
  Solver,
} from '@slipway/build';
import { planDockerfile } from '@slipway/build';
import { parseDockerfile } from '@slipway/dockerfile';
import type { Reference } from '@slipway/oci';
import type { Runtime } from '@slipway/runtime';
import type { Store } from '@slipway/store';
import type { EventBus } from '../events/index.ts';
import type { Image, ImageService } from '../images/index.ts';
import { type ArchiveOptions, exportArchive } from './export/export-archive.ts';
import { builtConfig, exportImage } from './export/export-image.ts';
import { exportTar, openFiles } from './export/open-files.ts';
import { type BuildRecord, BuildRecords } from './records.ts';

export interface BuildServiceOptions {
  readonly solver: Solver;
  readonly host: BuildHost;
  readonly store: Store;
  readonly images: ImageService;
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
    this.#records = new BuildRecords(given.store.database);
  }

  /**
   * What a Dockerfile comes to. Images that it begins with and that are not here are pulled.
   * @throws DockerfileError; NotFound for an image that no registry has
   */
  plan(
    text: string,
    options: PlanOptions & { readonly pull: boolean; readonly fileName?: string },
    { session, signal }: BuildCall,
  ): Promise<DockerfilePlan> {
    const { pull, fileName = 'Dockerfile' } = options;
    return planDockerfile(parseDockerfile(text, { name: fileName }), options, {
      resolveImage: (reference, platform) =>
        this.#given.host.resolveImage(reference, { platform, pull, session, signal }),
    });
  }

  /** @see BuildHost.resolveImage */
  resolveImage(...asked: Parameters<BuildHost['resolveImage']>): ReturnType<BuildHost['resolveImage']> {
    return this.#given.host.resolveImage(...asked);
  }

  /** @see Solver.solve */
  solve(
    plan: Pick<DockerfilePlan, 'vertex'>,
    { session, signal, onEvent }: BuildCall & { readonly onEvent: (event: BuildEvent) => void },
  ): Promise<BuildResult> {
    return this.solver.solve(plan.vertex, { session, signal, onEvent });
  }

  /** Makes an image of the engine. @see exportImage */
  exportImage(plan: DockerfilePlan, result: BuildResult, references: readonly Reference[]): Promise<Image> {
    return exportImage({ ...this.#given, records: this.#records }, { plan, result, references });
  }

  /** An OCI layout or a docker-archive. @see exportArchive */
  exportArchive(
    plan: DockerfilePlan,
    result: BuildResult,
    { format, references }: Pick<ArchiveOptions, 'format' | 'references'>,
  ): AsyncIterable<Uint8Array> {
    const configBytes = this.configOf(plan, result);
    return exportArchive(this.#given.store, { format, configBytes, layers: result.layers, plan, references });
  }

  /** The exact bytes of the image's configuration. */
  configOf(plan: DockerfilePlan, result: BuildResult): Buffer {
    return builtConfig({ ...this.#given, records: this.#records }, plan, result);
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
