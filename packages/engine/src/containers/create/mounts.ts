import { statSync } from 'node:fs';
import { posix } from 'node:path';
import type { ContainerConfig, HostConfig, MountRequest } from '@slipway/api/docker';
import { isErrno, SlipwayError } from '@slipway/base';
import type { MountPoint } from '../container.ts';
import type { ContainerContext } from '../context.ts';

const PROPAGATIONS = new Set(['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']);
const MODE_WORDS = new Set(['ro', 'rw', 'z', 'Z', 'nocopy', 'copy', 'cached', 'delegated', 'consistent']);

/**
 * All mounts of a container, from `Mounts`, `Binds`, `VolumesFrom`, `Tmpfs` and the image's `VOLUME`s, in that order
 * of precedence for a destination. Each volume is made just before its mount is yielded, with its name filled in.
 * @throws InvalidArgument in docker's words.
 */
export async function* resolveMounts(
  context: ContainerContext,
  containerId: string,
  config: ContainerConfig,
  host: HostConfig,
): AsyncGenerator<MountPoint> {
  const byDestination = new Map<string, MountPoint>();
  for (const reference of host.VolumesFrom ?? []) {
    for (const mount of mountsFrom(context, reference)) byDestination.set(mount.destination, mount);
  }
  const own = [
    ...(host.Binds ?? []).map((bind) => parseBind(bind, host.VolumeDriver)),
    ...(host.Mounts ?? []).map(parseMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([path, options]) =>
      tmpfs(path, options.split(',').filter(Boolean)),
    ),
  ];
  const taken = new Set<string>();
  for (const mount of own) {
    if (taken.has(mount.destination)) {
      throw new SlipwayError('InvalidArgument', `Duplicate mount point: ${mount.destination}`);
    }
    taken.add(mount.destination);
    byDestination.set(mount.destination, mount);
  }
  for (const path of config.Volumes ?? []) {
    const destination = absolute(path);
    if (!byDestination.has(destination))
      byDestination.set(destination, volume('', destination, host.VolumeDriver));
  }
  for (const mount of byDestination.values()) yield await withVolume(context, containerId, mount, host);
}

async function withVolume(
  context: ContainerContext,
  containerId: string,
  mount: MountPoint,
  host: HostConfig,
): Promise<MountPoint> {
  if (mount.type !== 'volume') return mount;
  const request = host.Mounts?.find(
    (entry) => entry.Target !== undefined && absolute(entry.Target) === mount.destination,
  );
  const made = await context.volumes.create({
    name: mount.name === '' ? undefined : mount.name,
    driver: request?.VolumeOptions?.DriverConfig?.Name || mount.driver || 'local',
    options: request?.VolumeOptions?.DriverConfig?.Options ?? {},
    labels: request?.VolumeOptions?.Labels ?? {},
    madeFor: containerId,
  });
  return { ...mount, name: made.name, driver: made.driver, anonymous: mount.anonymous || mount.name === '' };
}

function mountsFrom(context: ContainerContext, reference: string): MountPoint[] {
  const [name = '', mode = ''] = reference.split(':', 2);
  if (mode !== '' && mode !== 'ro' && mode !== 'rw' && mode !== 'z' && mode !== 'Z') {
    throw new SlipwayError('InvalidArgument', `invalid mode: ${mode} in volumes-from ${reference}`);
  }
  return context.registry
    .get(name)
    .definition.mounts.filter((mount) => mount.type !== 'tmpfs')
    .map((mount) => ({ ...mount, anonymous: false, readWrite: mount.readWrite && mode !== 'ro' }));
}

/** `source:destination[:mode]`, `name:destination[:mode]`. @throws InvalidArgument `invalid volume specification: '…'` */
export function parseBind(spec: string, volumeDriver: string | undefined): MountPoint {
  const parts = spec.split(':');
  const invalid = (): never => {
    throw new SlipwayError('InvalidArgument', `invalid volume specification: '${spec}'`);
  };
  if (parts.length > 3 || parts.some((part) => part === '')) invalid();
  if (parts.length === 1) return volume('', absolute(parts[0] as string), volumeDriver);
  const [source, target, mode = ''] = parts as [string, string, string?];
  const destination = absolute(target);
  if (destination === '/') {
    throw new SlipwayError(
      'InvalidArgument',
      `invalid volume specification: '${spec}': invalid mount config for type "bind": invalid specification: destination can't be '/'`,
    );
  }
  const words = mode === '' ? [] : mode.split(',');
  for (const word of words) {
    if (!MODE_WORDS.has(word) && !PROPAGATIONS.has(word)) {
      throw new SlipwayError('InvalidArgument', `invalid mode: ${mode}`);
    }
  }
  const common = { mode, readWrite: !words.includes('ro') };
  if (source.startsWith('/')) {
    return {
      ...bind(posix.normalize(source), destination),
      ...common,
      createSource: true,
      propagation: words.find((word) => PROPAGATIONS.has(word)) ?? 'rprivate',
    };
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source)) {
    throw new SlipwayError(
      'InvalidArgument',
      `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  return {
    ...volume(source, destination, volumeDriver),
    ...common,
    mode: mode === '' ? 'z' : mode,
    copyUp: !words.includes('nocopy'),
  };
}

/** One entry of `HostConfig.Mounts`. @throws InvalidArgument `invalid mount config for type "…": …` */
export function parseMount(request: MountRequest): MountPoint {
  const refuse = (why: string): never => {
    throw new SlipwayError('InvalidArgument', `invalid mount config for type "${request.Type}": ${why}`);
  };
  const target = request.Target ?? '';
  if (target === '') return refuse('field Target must not be empty');
  const destination = absolute(target);
  if (destination === '/') return refuse("invalid specification: destination can't be '/'");
  const source = request.Source ?? '';
  const readWrite = request.ReadOnly !== true;
  switch (request.Type) {
    case 'bind': {
      if (source === '') return refuse('field Source must not be empty');
      if (!source.startsWith('/'))
        return refuse(`invalid mount path: '${source}' mount path must be absolute`);
      if (request.VolumeOptions !== undefined) return refuse('field VolumeOptions must not be specified');
      const createSource = request.BindOptions?.CreateMountpoint === true;
      if (!createSource) requireSource(source, refuse);
      const propagation = request.BindOptions?.Propagation || 'rprivate';
      if (!PROPAGATIONS.has(propagation)) return refuse(`invalid propagation mode: ${propagation}`);
      return {
        ...bind(posix.normalize(source), destination),
        readWrite,
        createSource,
        propagation,
        recursive: request.BindOptions?.NonRecursive !== true,
      };
    }
    case 'volume':
      if (request.BindOptions !== undefined) return refuse('field BindOptions must not be specified');
      if (source === '' && !readWrite)
        return refuse('must not set ReadOnly mode when using anonymous volumes');
      if (source.startsWith('/')) {
        return refuse(
          `invalid mount path: '${source}' mount path must not be absolute; use type=bind for a folder of the host`,
        );
      }
      if (!isLocalPath(request.VolumeOptions?.Subpath ?? '')) {
        return refuse('subpath must be a relative path within the volume');
      }
      return {
        ...volume(source, destination, request.VolumeOptions?.DriverConfig?.Name),
        readWrite,
        mode: 'z',
        copyUp: request.VolumeOptions?.NoCopy !== true,
        subpath: request.VolumeOptions?.Subpath || undefined,
      };
    case 'tmpfs': {
      if (source !== '') return refuse('field Source must not be specified');
      const { SizeBytes, Mode, Options } = request.TmpfsOptions ?? {};
      const options = (Options ?? []).map((pair) => pair.join('='));
      if (SizeBytes) options.push(`size=${SizeBytes}`);
      if (Mode) options.push(`mode=${Mode.toString(8)}`);
      return { ...tmpfs(target, options), readWrite };
    }
    default:
      throw new SlipwayError(
        'InvalidArgument',
        `mount type unknown: "${request.Type}"; use bind, volume or tmpfs`,
      );
  }
}

function requireSource(source: string, refuse: (why: string) => never): void {
  try {
    statSync(source);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) refuse(`bind source path does not exist: ${source}`);
    throw error;
  }
}

/** @throws InvalidArgument `invalid mount path: '…' mount path must be absolute` */
function absolute(path: string): string {
  if (!path.startsWith('/')) {
    throw new SlipwayError('InvalidArgument', `invalid mount path: '${path}' mount path must be absolute`);
  }
  return posix.normalize(path).replace(/(.)\/$/, '$1');
}

const plain = {
  name: '',
  source: '',
  driver: '',
  mode: '',
  readWrite: true,
  propagation: '',
  copyUp: false,
  subpath: undefined,
  anonymous: false,
  createSource: false,
  recursive: true,
  tmpfsOptions: [],
};

const bind = (source: string, destination: string): MountPoint => ({
  ...plain,
  type: 'bind',
  source,
  destination,
});

const volume = (name: string, destination: string, driver: string | undefined): MountPoint => ({
  ...plain,
  type: 'volume',
  name,
  destination,
  driver: driver || 'local',
  copyUp: true,
});

const tmpfs = (path: string, tmpfsOptions: readonly string[]): MountPoint => ({
  ...plain,
  type: 'tmpfs',
  destination: absolute(path),
  tmpfsOptions,
});

/** Relative, and never above where it begins. */
function isLocalPath(path: string): boolean {
  return !path.startsWith('/') && !/^\.\.(\/|$)/.test(posix.normalize(path));
}
