import type { HostConfig, Resources } from '@slipway/api/docker';
import { SlipwayError } from '@slipway/base';
import type { OciSpec } from '@slipway/runtime';
import {
  buildSpec,
  type NamespaceMode,
  type SpecMount,
  type SpecOptions,
  type SpecResources,
} from '@slipway/runtime';
import type { Container, MountPoint } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { joined } from './networking.ts';
import { sharedMemoryPath, sharesMemory } from './shared-memory.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const INIT_PATH = '/sbin/docker-init';
const CPU_PERIOD_US = 100_000;

/** What is known only once the root file system and the network of this run are there. */
export interface RunFacts {
  readonly rootfsPath: string;
  readonly user: SpecOptions['user'];
  readonly network: NamespaceMode;
  /** Generated files and volumes, in the order to mount them. */
  readonly mounts: readonly SpecMount[];
}

/** The OCI runtime specification of one run of a container. */
export function containerSpec(context: ContainerContext, container: Container, facts: RunFacts): OciSpec {
  const { id, config, hostConfig: host, args } = container.definition;
  const security = parseSecurityOptions(host.SecurityOpt ?? []);
  const init = host.Init === true;
  return buildSpec({
    id,
    rootfsPath: facts.rootfsPath,
    args: init ? [INIT_PATH, '--', ...args] : args,
    env: processEnv(container),
    cwd: config.WorkingDir || '/',
    terminal: config.Tty === true,
    consoleSize: consoleSize(host),
    user: facts.user,
    hostname: hostnameOf(context, container),
    domainname: config.Domainname ?? '',
    privileged: host.Privileged === true,
    readonlyRootfs: host.ReadonlyRootfs === true,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    noNewPrivileges: security.noNewPrivileges,
    seccomp: host.Privileged ? 'unconfined' : security.seccomp,
    apparmorProfile: security.apparmor,
    selinuxLabel: undefined,
    namespaces: namespaces(context, host, facts.network),
    idMappings: undefined,
    mounts: [
      ...ipcMounts(context, container),
      ...facts.mounts,
      ...(init
        ? [{ destination: INIT_PATH, type: 'bind', source: context.config.initPath, options: ['bind', 'ro'] }]
        : []),
    ],
    shmSizeBytes: host.IpcMode === 'none' ? 'none' : (host.ShmSize ?? 0),
    devices: (host.Devices ?? []).map((device) => ({
      hostPath: device.PathOnHost ?? '',
      containerPath: device.PathInContainer || device.PathOnHost || '',
      permissions: device.CgroupPermissions || 'rwm',
    })),
    resources: specResources(host),
    sysctls: host.Sysctls ?? {},
    ulimits: (host.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
    oomScoreAdj: host.OomScoreAdj,
    maskedPaths: host.MaskedPaths,
    readonlyPaths: host.ReadonlyPaths,
    cgroupsPath: `${host.CgroupParent || context.config.cgroupParent}/${id}`,
    annotations: host.Annotations ?? {},
  });
}

/** One that shares another's network has its name too. On the host's network, or with its names, none is set. */
function hostnameOf(context: ContainerContext, { definition }: Container): string {
  const { config, hostConfig } = definition;
  const mode = hostConfig.NetworkMode ?? '';
  if (hostConfig.UTSMode === 'host') return '';
  if (mode.startsWith('container:')) {
    const other = joined(context, mode, 'network');
    return other.definition.config.Hostname ?? '';
  }
  return config.Hostname ?? '';
}

/** The first process's environment: docker's own variables, then the configured ones over them. */
export function processEnv({ definition: { config } }: Container): string[] {
  const defaults = [DEFAULT_PATH, ...(config.Hostname ? [`HOSTNAME=${config.Hostname}`] : [])];
  if (config.Tty) defaults.push('TERM=xterm');
  const byName = new Map<string, string | undefined>();
  for (const variable of [...defaults, ...(config.Env ?? [])]) {
    const equals = variable.indexOf('=');
    if (equals > 0) byName.set(variable.slice(0, equals), variable);
    else byName.delete(variable);
  }
  return [...byName.values()].filter((variable) => variable !== undefined);
}

interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SpecOptions['seccomp'];
  readonly apparmor: string | undefined;
}

/** `--security-opt`, in both forms `key=value` and `key:value`. @throws InvalidArgument */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: SpecOptions['seccomp'] = 'default';
  let apparmor: string | undefined;
  for (const option of options) {
    const [, key = '', value = ''] = /^([a-z-]+)(?:[=:]([\s\S]*))?$/.exec(option) ?? [];
    if (key === 'no-new-privileges') noNewPrivileges = value === '' || value === 'true';
    else if (key === 'seccomp') seccomp = parseSeccomp(value);
    else if (key === 'apparmor') apparmor = value;
    // SELinux is not supported on the hosts that Slipway runs on; turning it off is what is done already.
    else if (key === 'label' && value === 'disable') continue;
    else throw new SlipwayError('InvalidArgument', `invalid --security-opt 1: "${option}"`);
  }
  return { noNewPrivileges, seccomp, apparmor };
}

function parseSeccomp(value: string): SpecOptions['seccomp'] {
  if (value === 'unconfined') return 'unconfined';
  if (value === 'builtin' || value === '') return 'default';
  try {
    return { profile: JSON.parse(value) };
  } catch (cause) {
    throw new SlipwayError('InvalidArgument', 'the seccomp profile is not valid JSON', { cause });
  }
}

function consoleSize({ ConsoleSize }: HostConfig): SpecOptions['consoleSize'] {
  const [height = 0, width = 0] = ConsoleSize ?? [];
  return height > 0 && width > 0 ? { height, width } : undefined;
}

function namespaces(
  context: ContainerContext,
  host: HostConfig,
  network: NamespaceMode,
): SpecOptions['namespaces'] {
  const mode = (value: string | undefined, kind: 'pid' | 'ipc' | 'uts'): NamespaceMode => {
    if (value === 'host') return { kind: 'host' };
    if (value?.startsWith('container:')) {
      const other = joined(context, value, kind.toUpperCase());
      return { kind: 'path', path: `/proc/${other.task.pid}/ns/${kind}` };
    }
    return { kind: 'new' };
  };
  return {
    pid: mode(host.PidMode, 'pid'),
    ipc: mode(host.IpcMode, 'ipc'),
    uts: mode(host.UTSMode, 'uts'),
    network,
    cgroup: host.CgroupnsMode === 'private' ? { kind: 'new' } : { kind: 'host' },
    user: { kind: 'host' },
  };
}

/** With a shared IPC namespace `/dev/shm` is shared too. @throws Conflict when the other one shares nothing. */
function ipcMounts(context: ContainerContext, container: Container): SpecMount[] {
  const mode = container.definition.hostConfig.IpcMode ?? 'private';
  const share = (source: string): SpecMount[] => [
    { destination: '/dev/shm', type: 'bind', source, options: ['bind', 'nosuid', 'noexec', 'nodev'] },
  ];
  if (mode === 'host') return share('/dev/shm');
  if (sharesMemory(container)) return share(sharedMemoryPath(container));
  if (!mode.startsWith('container:')) return [];
  const other = joined(context, mode, 'IPC');
  const theirs = other.definition.hostConfig.IpcMode;
  if (theirs === 'host') return share('/dev/shm');
  if (sharesMemory(other)) return share(sharedMemoryPath(other));
  throw new SlipwayError(
    'Conflict',
    `cannot join IPC of container ${other.definition.name}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

/** Docker's limits in the specification's terms; zero means not limited. */
export function specResources(host: Resources): SpecResources {
  const set = (value: number | undefined) => (value ? value : undefined);
  const nano = host.NanoCpus ?? 0;
  const rates = (list: readonly { Path: string; Rate: number }[] | undefined) =>
    list?.map(({ Path, Rate }) => ({ path: Path, rate: Rate }));
  return {
    memoryBytes: set(host.Memory),
    memorySwapBytes: set(host.MemorySwap),
    memoryReservationBytes: set(host.MemoryReservation),
    memorySwappiness:
      host.MemorySwappiness === undefined || host.MemorySwappiness < 0 ? undefined : host.MemorySwappiness,
    oomKillDisable: host.OomKillDisable || undefined,
    cpuShares: set(host.CpuShares),
    cpuQuotaUs: nano > 0 ? Math.round((nano * CPU_PERIOD_US) / 1e9) : set(host.CpuQuota),
    cpuPeriodUs: nano > 0 ? CPU_PERIOD_US : set(host.CpuPeriod),
    cpusetCpus: host.CpusetCpus || undefined,
    cpusetMems: host.CpusetMems || undefined,
    cpuRealtimePeriodUs: set(host.CpuRealtimePeriod),
    cpuRealtimeRuntimeUs: set(host.CpuRealtimeRuntime),
    pidsLimit: host.PidsLimit === undefined || host.PidsLimit <= 0 ? undefined : host.PidsLimit,
    blkioWeight: set(host.BlkioWeight),
    blkioWeightDevice: host.BlkioWeightDevice?.map(({ Path, Weight }) => ({ path: Path, weight: Weight })),
    blkioDeviceReadBps: rates(host.BlkioDeviceReadBps),
    blkioDeviceWriteBps: rates(host.BlkioDeviceWriteBps),
    blkioDeviceReadIops: rates(host.BlkioDeviceReadIOps),
    blkioDeviceWriteIops: rates(host.BlkioDeviceWriteIOps),
    deviceCgroupRules: host.DeviceCgroupRules,
  };
}

const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev', 'rprivate'];
/** The option that takes another one back. */
const OPPOSITES: Readonly<Record<string, string>> = { exec: 'noexec', suid: 'nosuid', dev: 'nodev' };

/** A tmpfs of the user's: docker's careful defaults, each of which the user may take back. */
export function tmpfsMount(mount: MountPoint): SpecMount {
  const undone = new Set(
    mount.tmpfsOptions.map((option) => OPPOSITES[option]).filter((word) => word !== undefined),
  );
  const options = [...TMPFS_DEFAULTS.filter((word) => !undone.has(word)), ...mount.tmpfsOptions];
  if (!mount.readWrite) options.push('ro');
  return { destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options: [...new Set(options)] };
}
