import { closeSync, constants, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { type HostPath, hostPath, isErrno, SlipwayError } from '@slipway/base';
import { openInRoot, syscalls } from '@slipway/store';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { openBundle } from '../run/bundle.ts';
import { rootfsOf } from '../run/rootfs.ts';
import { isRunning } from '../state.ts';

/** A container's files as its processes see them, with its volumes. Resolve below `path` with `openInRoot` only. */
export interface ContainerRoot extends AsyncDisposable {
  readonly path: HostPath;
}

/**
 * The files of a container: through its first process while it runs, else mounted in a sandbox until disposed, during
 * which it cannot be started.
 */
export async function openContainerRoot(
  context: ContainerContext,
  container: Container,
): Promise<ContainerRoot> {
  const { id } = container.definition;
  await using held = new AsyncDisposableStack();
  held.use(await context.locks.acquire(id));
  if (isRunning(container.state) && container.task !== undefined) {
    return { path: container.task.root, [Symbol.asyncDispose]: async () => {} };
  }
  const rootfs = await rootfsOf(context, container);
  const binds = await bindsOf(context, container);
  const { bundle } = held.use(openBundle(container));
  const sandbox = held.use(await context.runtime.open({ id, bundle, rootfs, binds }, {}));
  const stack = held.move();
  return { path: sandbox.rootfs, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function bindsOf(context: ContainerContext, container: Container) {
  const binds: { source: HostPath; target: string }[] = [];
  for (const mount of container.definition.mounts) {
    if (mount.type === 'bind') binds.push({ source: hostPath(mount.source), target: mount.destination });
    const volume = mount.type === 'volume' ? context.volumes.find(mount.name) : undefined;
    if (volume === undefined) continue;
    const { type, source } = await context.volumes.specMount(volume, { subpath: mount.subpath });
    if (type === 'bind') binds.push({ source: hostPath(source), target: mount.destination });
  }
  return binds;
}

/** The real path, inside the container, of a file that `openInRoot` opened. */
export function pathInRoot(root: HostPath, file: number): string {
  const rootFile = openInRoot(root, '/', syscalls.O_PATH | constants.O_DIRECTORY);
  try {
    const prefix = readlinkSync(`/proc/self/fd/${rootFile}`);
    const path = readlinkSync(`/proc/self/fd/${file}`);
    return prefix === '/' ? path : posix.join('/', path.slice(prefix.length));
  } finally {
    closeSync(rootFile);
  }
}

/**
 * Opens a path of the container without following its last link (but for a trailing slash or `/.`, which ask for what is
 * behind it): its folder, and its name there; `.` for the folder itself.
 * @throws NotFound in Docker's words
 */
export function openPath(
  root: HostPath,
  container: Container,
  path: string,
): { readonly folder: number; readonly name: string } {
  const absolute = posix.join('/', path);
  const wantsInside = absolute === '/' || /\/\.?$/.test(path);
  const [folder, name] = wantsInside ? [absolute, '.'] : [posix.dirname(absolute), posix.basename(absolute)];
  try {
    return { folder: openInRoot(root, folder, syscalls.O_PATH | constants.O_DIRECTORY), name };
  } catch (cause) {
    throw isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP') ? noSuchFile(container, path, cause) : cause;
  }
}

export const noSuchFile = (container: Container, path: string, cause?: unknown) =>
  new SlipwayError('NotFound', `Could not find the file ${path} in container ${container.definition.name}`, {
    cause,
  });
