import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { hostPath, SlipwayError } from '@slipway/base';
import type { SharedTree } from '@slipway/runtime';
import type { Container, MountPoint } from '../container.ts';

const isShared = ({ propagation }: MountPoint): boolean => /^r?shared$/.test(propagation);
const isSlave = ({ propagation }: MountPoint): boolean => /^r?slave$/.test(propagation);

/** What of the host's the container shares mounts with. */
export function sharedTrees(container: Container): SharedTree[] {
  return container.definition.mounts
    .filter(isShared)
    .map((mount) => ({ source: hostPath(mount.source), path: sharedPath(container, mount) }));
}

/** Where the runtime finds a bind's source. */
export const bindSource = (container: Container, mount: MountPoint): string =>
  isShared(mount) ? sharedPath(container, mount) : mount.source;

const sharedPath = ({ definition, bundle }: Container, mount: MountPoint) =>
  hostPath(join(bundle, `shared-${definition.mounts.indexOf(mount)}`));

/**
 * A mount passes on and takes over what the one that its source lies on does, and no more.
 * @throws Internal in docker's words when the host has that private
 */
export async function requirePropagation(mounts: readonly MountPoint[]): Promise<void> {
  const asking = mounts.filter((mount) => isShared(mount) || isSlave(mount));
  if (asking.length === 0) return;
  const hostMounts = await readHostMounts();
  for (const mount of asking) {
    const under = mountOf(await realpath(mount.source), hostMounts);
    if (under === undefined || under.isShared || (isSlave(mount) && under.isSlave)) continue;
    const wanted = isShared(mount) ? 'a shared' : 'a shared or slave';
    throw new SlipwayError(
      'Internal',
      `path ${mount.source} is mounted on ${under.path} but it is not ${wanted} mount; make it one with "mount --make-shared ${under.path}"`,
    );
  }
}

interface HostMount {
  readonly path: string;
  readonly isShared: boolean;
  readonly isSlave: boolean;
}

/** @see proc_pid_mountinfo(5): the fifth field is the mount point; optional fields stand before a hyphen. */
async function readHostMounts(): Promise<HostMount[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const [about = ''] = line.split(' - ');
    const [, , , , point = '', , ...optional] = about.split(' ');
    const path = point.replaceAll(/\\([0-7]{3})/g, (_, code) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const has = (tag: string) => optional.some((field) => field.startsWith(`${tag}:`));
    return { path, isShared: has('shared'), isSlave: has('master') };
  });
}

/** The one with the longest path, and of those at one path the last, which covers the others. */
function mountOf(path: string, mounts: readonly HostMount[]): HostMount | undefined {
  let found: HostMount | undefined;
  for (const mount of mounts) {
    const isAbove = mount.path === '/' || path === mount.path || path.startsWith(`${mount.path}/`);
    if (isAbove && mount.path.length >= (found?.path.length ?? 0)) found = mount;
  }
  return found;
}
