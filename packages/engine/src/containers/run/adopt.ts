import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, type HostPath, type Logger } from '@slipway/base';
import type { ExitStatus } from '@slipway/runtime';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { ended, isRunning, transition } from '../state.ts';
import { removeBundle } from './bundle.ts';
import { discardContainer } from './discard.ts';
import { shouldRestart } from './restart-policy.ts';
import { recordExit, scheduleRestart } from './supervise.ts';

/** What docker says of a container whose end nobody saw: the machine was restarted. */
const UNKNOWN_EXIT = 255;
const CONTAINER_ID = /^[0-9a-f]{64}$/;

/**
 * Takes up the containers of the daemon before this one: those that run are watched again, those that ended meanwhile
 * get their exit code, and what belongs to none is swept away. Then restart policies apply.
 */
export async function adoptContainers(context: ContainerContext): Promise<void> {
  for (const container of context.records.load(context.config)) context.registry.add(container);
  const known = context.registry.list();
  const running = known.filter((container) => isRunning(container.state));
  const keep = new Set<string>(running.map(({ definition }) => definition.id));
  await Promise.all([
    context.runtime.sweep(keep),
    sweepFolders(context.config.root, (id) => context.registry.findById(id) !== undefined, context.logger),
    sweepFolders(context.config.runRoot, (id) => keep.has(id), context.logger),
    sweepSnapshots(context),
    context.volumes.removeOrphans((id) => context.registry.findById(id) !== undefined),
  ]);
  await Promise.all(running.map((container) => adopt(context, container)));
  // After the running ones took theirs back: what nobody took is left over.
  await context.networking.sweep(keep);
  for (const container of known) await applyPolicy(context, container);
}

async function adopt(context: ContainerContext, container: Container): Promise<void> {
  const { id } = container.definition;
  const found = await context.runtime.adopt({ id, bundle: container.bundle, exitFolder: container.folder });
  if (container.sandbox !== undefined) {
    if (found !== undefined && 'task' in found) {
      await context.networking.restoreSandbox(container.sandbox);
      for (const endpoint of container.sandbox.endpoints) {
        context.networks.attach(endpoint.networkId, {
          containerId: id,
          name: container.definition.name,
          endpoint,
        });
      }
    } else {
      await context.networking.removeSandbox(id);
    }
  }
  if (found !== undefined && 'task' in found) {
    container.task = found.task;
    found.task.attach(container.output);
    context.supervisor.watch(container, found.task);
    return;
  }
  const unseen: ExitStatus = { exitCode: UNKNOWN_EXIT, oomKilled: false, exitedAtNs: context.clock.nowNs() };
  recordExit(context, container, found?.exit ?? unseen);
  removeBundle(container);
}

/**
 * A container that ended while no daemon was there, or waited to be restarted, gets what its end calls for now. One of
 * `run --rm` that never started goes too, as with docker: nobody is left who would start it.
 */
async function applyPolicy(context: ContainerContext, container: Container): Promise<void> {
  if (container.state.status === 'restarting') {
    container.state = transition(container.state, { type: 'restartCanceled' });
  }
  if (isRunning(container.state)) return;
  const always = container.definition.hostConfig.RestartPolicy?.Name === 'always';
  if (container.state.status === 'exited' && (shouldRestart(container) || always)) {
    scheduleRestart(context, container, ended(container.state));
  } else if (container.definition.hostConfig.AutoRemove) {
    await discardContainer(context, container, { removeVolumes: true });
  }
}

/** Folders of containers that never came to be, or were removed, and of runs that have ended. */
async function sweepFolders(
  root: HostPath,
  isWanted: (id: string) => boolean,
  logger: Logger,
): Promise<void> {
  for (const name of await readdir(root)) {
    if (isWanted(name)) continue;
    await rm(join(root, name), { recursive: true, force: true }).catch((error) => {
      logger.warn({ folder: name, error: errorMessage(error) }, 'a leftover folder could not be removed');
    });
  }
}

/** The writable layers of containers that never came to be, or were removed. */
async function sweepSnapshots(context: ContainerContext): Promise<void> {
  for await (const { key, kind } of context.snapshots.list()) {
    if (kind !== 'active' || !CONTAINER_ID.test(key) || context.registry.findById(key) !== undefined)
      continue;
    await context.snapshots.remove(key);
  }
}
