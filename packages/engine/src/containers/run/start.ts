import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, type HostPath, hostPath, isErrno, isSlipwayError, SlipwayError } from '@slipway/base';
import { type LogFile, lookupUser, type Sandbox, type SpecMount, type Task } from '@slipway/runtime';
import type { Container, MountPoint } from '../container.ts';
import { type ContainerContext, publish } from '../context.ts';
import { parseSize } from '../create/config.ts';
import { ended, transition } from '../state.ts';
import { openBundle } from './bundle.ts';
import { discardContainer } from './discard.ts';
import { type ContainerNetwork, closeNetwork, openNetwork, writeNetworkFiles } from './networking.ts';
import { OutputHub } from './output-hub.ts';
import { bindSource, requirePropagation, sharedTrees } from './propagation.ts';
import { cancelRestart } from './restarts.ts';
import { rootfsOf } from './rootfs.ts';
import { mountSharedMemory, sharesMemory, unmountSharedMemory } from './shared-memory.ts';
import { containerSpec, tmpfsMount } from './spec.ts';

/** Exit codes that docker gives to a start that failed. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const NOT_STARTED = 128;

/**
 * Runs the container's first process.
 * @throws NotModified when it runs already; Conflict when it is paused or being removed; InvalidArgument in docker's
 * words when the program cannot be executed; NotFound and Conflict from its networks and volumes.
 */
export async function startContainer(context: ContainerContext, container: Container): Promise<void> {
  using _lock = await context.locks.acquire(container.definition.id);
  const { status } = container.state;
  if (status === 'running') {
    throw new SlipwayError('NotModified', `container ${container.definition.name} is already started`);
  }
  if (status === 'paused') {
    throw new SlipwayError('Conflict', 'cannot start a paused container, try unpause instead');
  }
  if (status === 'removing') {
    throw new SlipwayError('Conflict', 'container is marked for removal and cannot be started');
  }
  cancelRestart(container);
  container.stoppedByUser = false;
  await startLocked(context, container);
}

/** Like `startContainer`, for who holds the container's lock and has checked its state. */
export async function startLocked(context: ContainerContext, container: Container): Promise<void> {
  try {
    await run(context, container);
  } catch (error) {
    await recordFailure(context, container, error);
    throw inDockersWords(container, error);
  }
  publish(context, container, 'start');
}

async function run(context: ContainerContext, container: Container): Promise<void> {
  await using undo = new AsyncDisposableStack();
  undo.use(openBundle(container));
  const opened = await Promise.allSettled([openNetwork(context, container), openRootfs(context, container)]);
  const [network, rootfs] = opened;
  if (network.status === 'fulfilled') {
    undo.defer(() => closeNetwork(context, container, network.value.sandbox));
  }
  if (rootfs.status === 'fulfilled') undo.use(rootfs.value);
  undo.defer(() => unmountSharedMemory(container));
  if (network.status === 'rejected') throw network.reason;
  if (rootfs.status === 'rejected') throw rootfs.reason;
  const task = await startTask(context, container, network.value, rootfs.value);
  undo.move();

  container.additions?.onStart(task);
  container.task = task;
  container.sandbox = network.value.sandbox;
  container.state = transition(container.state, {
    type: 'started',
    pid: task.pid,
    startedAtNs: task.startedAtNs,
  });
  context.records.saveState(container);
  for (const mount of container.definition.mounts) {
    if (mount.type !== 'volume') continue;
    context.volumes.mounted(mount.name, { containerId: container.definition.id, ...mount });
  }
  context.supervisor.watch(container, task);
}

async function openRootfs(context: ContainerContext, container: Container): Promise<Sandbox> {
  const { id, mounts } = container.definition;
  const [rootfs] = await Promise.all([rootfsOf(context, container), makeSources(mounts)]);
  await requirePropagation(mounts);
  return await context.runtime.open(
    {
      id,
      bundle: container.bundle,
      exitFolder: container.folder,
      rootfs,
      disks: container.additions?.disks ?? [],
      shared: sharedTrees(container),
    },
    {},
  );
}

async function startTask(
  context: ContainerContext,
  container: Container,
  network: ContainerNetwork,
  sandbox: Sandbox,
): Promise<Task> {
  const { config, hostConfig } = container.definition;
  const [files, mounts, user] = await Promise.all([
    writeNetworkFiles(context, container, network.sandbox),
    volumeMounts(context, container, sandbox.rootfs),
    lookupUser(sandbox.rootfs, config.User ?? '', hostConfig.GroupAdd ?? []),
  ]);
  if (sharesMemory(container)) await mountSharedMemory(container);
  const spec = containerSpec(context, container, {
    rootfsPath: sandbox.rootfs,
    user,
    network: network.namespace,
    mounts: [...files, ...mounts, ...(container.additions?.mounts ?? [])],
  });
  return await sandbox.start({
    spec,
    runtime: hostConfig.Runtime || context.runtime.defaultName,
    stdin: config.OpenStdin === true,
    log: logFile(context, container),
    attach: [container.output],
  });
}

/** The user's mounts, outermost first, with empty volumes filled from the image. */
async function volumeMounts(
  context: ContainerContext,
  container: Container,
  rootfs: HostPath,
): Promise<SpecMount[]> {
  const mounts: SpecMount[] = [];
  for (const mount of container.definition.mounts) {
    if (mount.type === 'tmpfs') {
      mounts.push(tmpfsMount(mount));
      continue;
    }
    if (mount.type === 'bind') {
      const options = [
        mount.recursive ? 'rbind' : 'bind',
        mount.propagation,
        ...(mount.readWrite ? [] : ['ro']),
      ];
      const source = bindSource(container, mount);
      mounts.push({ destination: mount.destination, type: 'bind', source, options });
      continue;
    }
    const volume = context.volumes.get(mount.name);
    if (mount.copyUp) await context.volumes.copyUp(volume, rootfs, mount.destination);
    const source = await context.volumes.specMount(volume, { subpath: mount.subpath });
    mounts.push({
      ...source,
      destination: mount.destination,
      options: [...source.options, ...(mount.readWrite ? [] : ['ro'])],
    });
  }
  return mounts;
}

/** Where the log is kept; undefined with `--log-driver none`. */
export function logFile(context: ContainerContext, container: Container): LogFile | undefined {
  const { Type, Config } = container.definition.hostConfig.LogConfig ?? {};
  if (Type === 'none') return undefined;
  const maxSize = Config?.['max-size'];
  return {
    path: logPath(container),
    maxSizeBytes:
      maxSize === undefined || maxSize === '-1' ? context.config.logMaxSizeBytes : parseSize(maxSize),
    maxFiles: Number(Config?.['max-file'] ?? context.config.logMaxFiles),
  };
}

export const logPath = (container: Container): HostPath =>
  hostPath(join(container.folder, `${container.definition.id}-json.log`));

/** The state tells why, whoever is attached is let go, and `--rm` still removes it. */
async function recordFailure(context: ContainerContext, container: Container, error: unknown): Promise<void> {
  container.state = transition(container.state, {
    type: 'startFailed',
    exitCode: failureCode(error),
    error: errorMessage(inDockersWords(container, error)),
  });
  context.records.saveState(container);
  container.output.end();
  container.output = new OutputHub();
  publish(context, container, 'die', { exitCode: String(failureCode(error)) });
  const waiting = container.nextExit;
  container.nextExit = Promise.withResolvers();
  waiting.resolve({ ...ended(container.state), finishedAtNs: context.clock.nowNs() });
  if (container.definition.hostConfig.AutoRemove) {
    await discardContainer(context, container, { removeVolumes: true });
  }
}

function failureCode(error: unknown): number {
  if (!isSlipwayError(error)) return NOT_STARTED;
  if (error.reason === 'EXEC_NOT_FOUND') return NOT_FOUND;
  return error.reason === 'EXEC_NOT_EXECUTABLE' ? NOT_EXECUTABLE : NOT_STARTED;
}

/** The docker command finds out by these words whether to exit with 126, 127 or 125. */
function inDockersWords(container: Container, error: unknown): unknown {
  if (!isSlipwayError(error)) return error;
  const why = execFailure(error.reason, container.definition.args[0] ?? '');
  if (why === undefined) return error;
  return new SlipwayError(
    'InvalidArgument',
    `failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: exec: ${why}: unknown`,
    { cause: error, ...(error.reason === undefined ? {} : { reason: error.reason }) },
  );
}

/** Docker's words for why a program does not run; undefined for any other failure. */
export function execFailure(reason: string | undefined, program: string): string | undefined {
  const name = JSON.stringify(program);
  if (reason === 'EXEC_NOT_EXECUTABLE') return `${name}: permission denied`;
  if (reason !== 'EXEC_NOT_FOUND') return undefined;
  return program.includes('/')
    ? `${name}: stat ${program}: no such file or directory`
    : `${name}: executable file not found in $PATH`;
}

/** A bind's source that is not there becomes a folder, as Docker has it; one that is there may be anything. */
async function makeSources(mounts: readonly MountPoint[]): Promise<void> {
  for (const { createSource, source } of mounts) {
    if (!createSource) continue;
    try {
      await mkdir(source, { recursive: true });
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}
