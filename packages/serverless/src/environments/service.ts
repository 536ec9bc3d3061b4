import type { Server } from 'node:net';
import { type Clock, type HostPath, type Logger, type Random, SlipwayError } from '@slipway/base';
import type { ImageService } from '@slipway/engine/images';
import type { FunctionVersion } from '../functions/index.ts';
import type { LogWriter } from '../logs/index.ts';
import type { Compute } from './compute/compute.ts';
import { openDebugDoor } from './debug-door.ts';
import type { Environment, Environments, OpenOptions } from './environment.ts';
import { EnvironmentCopies } from './execution/copies.ts';
import { ExecutionEnvironment } from './execution/execution-environment.ts';
import type { ExecutionContext } from './execution/instance.ts';
import { planVersion } from './execution/plan.ts';
import { PreparedPool } from './execution/prepared-pool.ts';
import { RuntimeApiServer } from './runtime-api/server.ts';
import type { ResponseLimits } from './runtime-api/streamed-response.ts';
import { findRuntime, type RuntimeDefinition } from './runtimes/runtime.ts';
import { RuntimeImages, type RuntimeStatus, runtimeVersion } from './runtimes/runtime-images.ts';

export interface EnvironmentServiceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly compute: Compute;
  readonly images: ImageService;
  readonly writer: LogWriter;
  /** Of answers; Lambda's own by default. */
  readonly limits?: ResponseLimits | undefined;
  /** `slipway-shim`, which is also what waits in sandboxes in place of a runtime. */
  readonly shimPath: HostPath;
  /** A folder for what is thrown away. */
  readonly scratchRoot: HostPath;
}

/** Lambda's: 6 MB and some, 200 MB when streamed. */
export const RESPONSE_LIMITS: ResponseLimits = {
  bufferedBytes: 6_291_556,
  streamedBytes: 200 * 1024 * 1024,
};

/** The port of the debugger inside of an environment. */
const DEBUG_PORT = 9229;

/** Execution environments, and the runtimes that they are made of. */
export class EnvironmentService implements Environments {
  readonly #context: ExecutionContext;
  readonly #images: RuntimeImages;
  readonly #prepared: PreparedPool;
  readonly #api: RuntimeApiServer;
  readonly #copies: EnvironmentCopies;
  readonly #alive = new Set<Environment>();
  #isClosed = false;

  private constructor(options: EnvironmentServiceOptions) {
    const { clock, random, logger, compute, writer, images, scratchRoot, shimPath } = options;
    this.#api = new RuntimeApiServer(logger);
    this.#context = {
      clock,
      random,
      logger,
      compute,
      api: this.#api,
      writer,
      limits: options.limits ?? RESPONSE_LIMITS,
      gatePath: shimPath,
    };
    this.#copies = new EnvironmentCopies(this.#context);
    this.#images = new RuntimeImages({ images, scratchRoot });
    this.#prepared = new PreparedPool({
      context: this.#context,
      ensureImage: (runtime) => this.prepareRuntime(runtime.name, { signal: new AbortController().signal }),
    });
  }

  /** Removes first what a daemon that was killed has left: environments do not outlive it. */
  static async open(options: EnvironmentServiceOptions): Promise<EnvironmentService> {
    await options.compute.removeLeftOvers();
    return new EnvironmentService(options);
  }

  async open(version: FunctionVersion, options: OpenOptions): Promise<Environment> {
    const { initialization, debug, signal } = options;
    if (this.#isClosed) throw new SlipwayError('Unavailable', 'the daemon ends');
    const logStream = this.#logStream(version);
    const debugPort = debug === undefined ? undefined : DEBUG_PORT;
    const plan = planVersion(version, { logStream, initialization, debugPort });
    const { runtime } = plan;
    if (debug !== undefined && runtime?.debugArgs === undefined) {
      throw new SlipwayError('NotImplemented', `${runtime?.name ?? 'an image'} has no debugger here`);
    }
    const image = runtime === undefined ? undefined : await this.#images.ensure(runtime, { signal });
    const exact = runtime === undefined || image === undefined ? undefined : runtimeVersion(runtime, image);
    const digest = image === undefined ? plan.image : image.id;
    const environment = new ExecutionEnvironment(this.#context, plan, {
      initialization,
      runtimeVersion: exact ?? 'image',
      runtimeVersionArn: `arn:aws:lambda:${version.region}::runtime:${digest.replace(/^.*sha256:/, '')}`,
      takePrepared: () => {
        const canGraft = this.#context.compute.canGraft(version.isolation);
        return runtime === undefined || !canGraft ? undefined : this.#prepared.take(runtime);
      },
      logStream,
      isDebugged: debug !== undefined,
      signal,
    });
    this.#alive.add(environment);
    void environment.ended.then(() => this.#alive.delete(environment));
    let door: Server | undefined;
    if (debug !== undefined) {
      door = await openDebugDoor(debug.port, () => environment.connect(DEBUG_PORT));
      void environment.ended.then(() => door?.close());
    }
    try {
      await environment.open();
      return environment;
    } catch (error) {
      door?.close();
      throw error;
    }
  }

  /**
   * Starts a container like this version's environments, in which nothing of the function runs, for somebody to look around
   * in. Who asked for it removes it; else it goes after some hours, or with the daemon. @returns the container's id
   * @throws ResourceExhausted when there are many of them
   */
  async openCopy(version: FunctionVersion, options: { readonly signal: AbortSignal }): Promise<string> {
    const logStream = this.#logStream(version);
    const plan = planVersion(version, { logStream, initialization: 'on-demand' });
    if (plan.runtime !== undefined) await this.#images.ensure(plan.runtime, options);
    return await this.#copies.open(plan);
  }

  setPrepared(runtime: string, count: number): void {
    this.#prepared.set(runtime, count);
  }

  /** How many of a runtime wait for a function. */
  preparedCount(runtime: string): number {
    return this.#prepared.count(runtime);
  }

  /** The runtimes that there are, and whether their images have been made. */
  listRuntimes(): Promise<RuntimeStatus[]> {
    return this.#images.list();
  }

  /**
   * Makes a runtime's image unless it is there.
   * @throws NotFound for a name that is none; as `RuntimeImages.ensure`
   */
  async prepareRuntime(
    name: string,
    options: { onProgress?: (status: string) => void; signal: AbortSignal },
  ): Promise<void> {
    await this.#images.ensure(requireRuntime(name), options);
  }

  /** Whether functions of this runtime can start at once. @throws NotFound for a name that is none */
  async isRuntimeReady(name: string): Promise<boolean> {
    return (await this.#images.find(requireRuntime(name))) !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.#images, this.#prepared, this.#copies].map((one) => one[Symbol.asyncDispose]()));
    await Promise.all([...this.#alive].map((environment) => environment[Symbol.asyncDispose]()));
    this.#api[Symbol.dispose]();
  }

  #logStream(version: FunctionVersion): string {
    const day = new Date(this.#context.clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '/');
    return `${day}/[${version.version}]${this.#context.random.hex(16)}`;
  }
}

function requireRuntime(name: string): RuntimeDefinition {
  const runtime = findRuntime(name);
  if (runtime !== undefined) return runtime;
  throw new SlipwayError('NotFound', `there is no runtime ${name} here`);
}
