import { mkdir } from 'node:fs/promises';
import { errorMessage, KeyedLock } from '@slipway/base';
import type { Route } from '@slipway/http';
import type { Database } from '@slipway/store';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { listContainers } from './observe/list.ts';
import { ContainerRecords } from './records.ts';
import { ContainerRegistry } from './registry.ts';
import { containerRoutes } from './routes.ts';
import { adoptContainers } from './run/adopt.ts';
import { PlaceholderLayers } from './run/placeholder-layer.ts';
import { forgetRestart } from './run/restarts.ts';
import { supervise } from './run/supervise.ts';
import { type ContainerSandbox, openSandbox, removeSandboxes, type SandboxRequest } from './sandbox.ts';
import { isRunning } from './state.ts';
import { connectContainer, disconnectContainer } from './verbs/connect.ts';
import { stopForShutdown } from './verbs/stop.ts';

/** What the composition root gives; the rest of a `ContainerContext` is this slice's own. */
export type ContainerDependencies = Omit<
  ContainerContext,
  'records' | 'registry' | 'locks' | 'supervisor' | 'placeholders'
> & {
  readonly database: Database;
};

/**
 * Containers, adopted from the daemon before this one. Disposing leaves them running.
 */
export class ContainerService implements AsyncDisposable {
  readonly routes: readonly Route[];
  readonly #context: ContainerContext;

  private constructor(context: ContainerContext) {
    this.#context = context;
    this.routes = containerRoutes(context);
  }

  static async open({ database, ...dependencies }: ContainerDependencies): Promise<ContainerService> {
    const { root, runRoot } = dependencies.config;
    for (const path of [root, runRoot]) await mkdir(path, { recursive: true, mode: 0o710 });
    const context: ContainerContext = {
      ...dependencies,
      placeholders: new PlaceholderLayers(dependencies.config.placeholderRoot),
      records: new ContainerRecords(database),
      registry: new ContainerRegistry(),
      locks: new KeyedLock(),
      supervisor: { watch: (container, task) => supervise(context, container, task) },
    };
    const service = new ContainerService(context);
    service.#tellTheOthers();
    await adoptContainers(context);
    return service;
  }

  /** How many there are in each state. */
  counts(): {
    readonly total: number;
    readonly running: number;
    readonly paused: number;
    readonly stopped: number;
  } {
    const states = this.#context.registry.list().map(({ state }) => state.status);
    const running = states.filter((status) => status === 'running' || status === 'restarting').length;
    const paused = states.filter((status) => status === 'paused').length;
    return { total: states.length, running, paused, stopped: states.length - running - paused };
  }

  /** Every container in docker's short form with sizes, for `system df`. */
  async usage(): Promise<Record<string, unknown>[]> {
    return await listContainers(this.#context, { all: true, limit: 0, size: true, filters: new Map() });
  }

  /** For the slices that run things in containers of their own. @see openSandbox */
  openSandbox(request: SandboxRequest): Promise<ContainerSandbox> {
    return openSandbox(this.#context, request);
  }

  /** @see removeSandboxes */
  removeSandboxes(label: string): Promise<number> {
    return removeSandboxes(this.#context, label);
  }

  /** Stops everything that runs, side by side, each with its own time-out. */
  async stopAll(): Promise<void> {
    await Promise.all(
      this.#context.registry.list().map((container) =>
        stopForShutdown(this.#context, container).catch((error) => {
          const { id } = container.definition;
          this.#context.logger.warn(
            { container: id, error: errorMessage(error) },
            'a container did not stop',
          );
        }),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#context.registry.list()) forgetRestart(container);
  }

  /** The slices below ask who uses their things; they may not import this one. */
  #tellTheOthers(): void {
    const context = this.#context;
    const users = (uses: (container: Container) => boolean) => context.registry.list().filter(uses);
    context.images.addUsers((imageId) =>
      users(({ definition }) => definition.imageId === imageId).map(({ definition, state }) => ({
        kind: 'container',
        id: definition.id,
        running: isRunning(state),
      })),
    );
    context.volumes.setUsers((name) =>
      users(({ definition }) =>
        definition.mounts.some((mount) => mount.type === 'volume' && mount.name === name),
      ).map(({ definition }) => definition.id),
    );
    context.networks.setConnector({
      connect: (reference, networkName, settings) =>
        connectContainer(context, context.registry.get(reference), networkName, settings),
      disconnect: (reference, networkName) =>
        disconnectContainer(context, context.registry.get(reference), networkName),
    });
  }
}
