import { containerCapabilities } from './capabilities.ts';
import { localHost, type SpecHost } from './host.ts';
import { buildMounts } from './mounts.ts';
import type { OciLinux, OciProcess, OciSpec } from './oci-spec.ts';
import type { NamespaceMode, SpecOptions } from './options.ts';
import { buildLimits, parseDeviceRule } from './resources.ts';
import { resolveSeccomp, type SeccompProfile } from './seccomp.ts';
import { defaultSeccompProfile } from './seccomp-default.ts';

export interface BuildContext {
  /** This host by default. */
  readonly host?: SpecHost;
  /** Told of each thing that the host grants less of than was asked. */
  readonly warn?: (message: string) => void;
}

const OCI_VERSION = '1.0.2';
/** Docker's masked paths for a container that is not privileged. */
export const MASKED_PATHS =
  `/proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list
  /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware /sys/devices/virtual/powercap`.split(/\s+/);
/** Docker's read-only paths for a container that is not privileged. */
export const READONLY_PATHS = '/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger'.split(' ');

/** What a container may do with devices by default: make any, use the harmless ones. */
const DEFAULT_DEVICE_RULES = [
  'c *:* m',
  'b *:* m',
  'c 1:3 rwm', // null
  'c 1:5 rwm', // zero
  'c 1:7 rwm', // full
  'c 1:8 rwm', // random
  'c 1:9 rwm', // urandom
  'c 5:0 rwm', // tty
  'c 5:1 rwm', // console
  'c 5:2 rwm', // ptmx
  'c 136:* rwm', // pts
].map(parseDeviceRule);

/**
 * The OCI runtime specification of a container, with Docker's defaults.
 * @throws InvalidArgument for an unknown capability or ulimit, a device that is not there, a malformed profile or rule
 * @see https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export function buildSpec(
  options: SpecOptions,
  { host = localHost(), warn = () => {} }: BuildContext = {},
): OciSpec {
  const capabilities = containerCapabilities({ ...options, available: host.capabilities, warn });
  return {
    ociVersion: OCI_VERSION,
    process: buildProcess(options, capabilities, host, warn),
    root: { path: options.rootfsPath, ...(options.readonlyRootfs ? { readonly: true } : {}) },
    ...(options.hostname === '' || options.namespaces.uts.kind !== 'new'
      ? {}
      : { hostname: options.hostname }),
    ...(options.domainname === '' || options.namespaces.uts.kind !== 'new'
      ? {}
      : { domainname: options.domainname }),
    mounts: buildMounts(options, host),
    ...(Object.keys(options.annotations).length === 0 ? {} : { annotations: options.annotations }),
    linux: buildLinux(options, capabilities, host, warn),
  };
}

function buildProcess(
  options: SpecOptions,
  capabilities: readonly string[],
  host: SpecHost,
  warn: (message: string) => void,
): OciProcess {
  const { uid, gid, additionalGids } = options.user;
  // A user other than root starts without effective capabilities, as after execve; it may regain none but by setuid files.
  const effective = uid === 0 ? capabilities : [];
  return {
    terminal: options.terminal,
    ...(options.terminal && options.consoleSize !== undefined ? { consoleSize: options.consoleSize } : {}),
    user: { uid, gid, ...(additionalGids.length > 0 ? { additionalGids } : {}) },
    args: options.args,
    env: options.env,
    cwd: options.cwd,
    capabilities: {
      bounding: capabilities,
      effective,
      permitted: effective,
      inheritable: [],
      ambient: [],
    },
    ...(options.ulimits.length > 0 ? { rlimits: buildRlimits(options.ulimits, host, warn) } : {}),
    noNewPrivileges: options.noNewPrivileges,
    ...(options.apparmorProfile ? { apparmorProfile: options.apparmorProfile } : {}),
    ...(options.selinuxLabel ? { selinuxLabel: options.selinuxLabel } : {}),
    oomScoreAdj: options.oomScoreAdj ?? 0,
  };
}

function buildRlimits(ulimits: SpecOptions['ulimits'], host: SpecHost, warn: (message: string) => void) {
  return ulimits.map(({ name, soft, hard }) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    const most = host.hardLimit(type);
    // -1 is "unlimited", the largest number there is.
    const [wantedHard, wantedSoft] = [hard, soft].map((value) =>
      value < 0 ? Number.POSITIVE_INFINITY : value,
    ) as [number, number];
    if (most !== undefined && wantedHard > most) {
      warn(`this host allows ${type} of at most ${most}, not ${hard}; the container gets ${most}`);
    }
    const clamp = (value: number) => {
      const allowed = Math.min(value, most ?? Number.POSITIVE_INFINITY);
      return allowed === Number.POSITIVE_INFINITY ? UNLIMITED : allowed;
    };
    return { type, hard: clamp(wantedHard), soft: clamp(Math.min(wantedSoft, wantedHard)) };
  });
}

/** RLIM_INFINITY is 2^64-1, which a double cannot hold and JSON.stringify would round up; runtimes take this for no limit. */
const UNLIMITED = 2 ** 63 - 1024;

function buildLinux(
  options: SpecOptions,
  capabilities: readonly string[],
  host: SpecHost,
  warn: (message: string) => void,
): OciLinux {
  const { privileged, idMappings } = options;
  const devices = containerDevices(options, host);
  const mapping = (list: NonNullable<typeof idMappings>['uid']) =>
    list.map(({ containerId, hostId, size }) => ({ containerID: containerId, hostID: hostId, size }));
  const seccomp = buildSeccomp(options, capabilities, host);
  const masked = options.maskedPaths ?? (privileged ? [] : MASKED_PATHS);
  const readonly = options.readonlyPaths ?? (privileged ? [] : READONLY_PATHS);
  return {
    namespaces: buildNamespaces(options),
    ...(idMappings === undefined
      ? {}
      : { uidMappings: mapping(idMappings.uid), gidMappings: mapping(idMappings.gid) }),
    ...(devices.length > 0 ? { devices: devices.map(({ rule: _, ...device }) => device) } : {}),
    cgroupsPath: options.cgroupsPath,
    resources: {
      devices: privileged
        ? [{ allow: true, access: 'rwm' }]
        : [
            { allow: false, access: 'rwm' },
            ...DEFAULT_DEVICE_RULES,
            ...devices.map(({ rule }) => rule),
            ...(options.resources.deviceCgroupRules ?? []).map(parseDeviceRule),
          ],
      ...buildLimits(options.resources, { host, warn }),
    },
    ...rootfsPropagation(options.mounts),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(Object.keys(options.sysctls).length > 0 ? { sysctl: options.sysctls } : {}),
    ...(masked.length > 0 ? { maskedPaths: masked } : {}),
    ...(readonly.length > 0 ? { readonlyPaths: readonly } : {}),
  };
}

/** How the root is mounted decides what of the host's can reach a mount at all. */
function rootfsPropagation(mounts: SpecOptions['mounts']): Pick<OciLinux, 'rootfsPropagation'> {
  const is = (...words: readonly string[]) =>
    mounts.some(({ options }) => options.some((option) => words.includes(option)));
  if (is('shared', 'rshared')) return { rootfsPropagation: 'shared' };
  return is('slave', 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}

/** Docker's profile as it is resolved for each set of capabilities; containers mostly have the same. */
const resolvedDefaults = new Map<string, object>();
const MAX_RESOLVED_DEFAULTS = 64;

function buildSeccomp(
  { seccomp, privileged }: SpecOptions,
  capabilities: readonly string[],
  { architecture, kernel }: SpecHost,
): object | undefined {
  const facts = { architecture, kernel, capabilities };
  if (seccomp === 'unconfined') return undefined;
  if (seccomp !== 'default') return resolveSeccomp(seccomp.profile as SeccompProfile, facts);
  if (privileged) return undefined;
  const key = `${architecture} ${kernel} ${capabilities.join(' ')}`;
  const resolved = resolvedDefaults.get(key) ?? resolveSeccomp(defaultSeccompProfile, facts);
  if (resolvedDefaults.size < MAX_RESOLVED_DEFAULTS) resolvedDefaults.set(key, resolved);
  return resolved;
}

function buildNamespaces({ namespaces }: SpecOptions): { type: string; path?: string }[] {
  const modes: [string, NamespaceMode][] = [
    ['mount', { kind: 'new' }],
    ['network', namespaces.network],
    ['uts', namespaces.uts],
    ['pid', namespaces.pid],
    ['ipc', namespaces.ipc],
    ['cgroup', namespaces.cgroup],
    ['user', namespaces.user],
  ];
  return modes.flatMap(([type, mode]) =>
    mode.kind === 'host' ? [] : [{ type, ...(mode.kind === 'path' ? { path: mode.path } : {}) }],
  );
}

/** The devices that were asked for; a privileged container gets all the host's. */
function containerDevices(options: SpecOptions, host: SpecHost) {
  const wanted = options.privileged
    ? [{ hostPath: '/dev', containerPath: '/dev', permissions: 'rwm' }]
    : options.devices;
  return wanted.flatMap(({ hostPath, containerPath, permissions }) =>
    host.devices(hostPath).map((device) => ({
      ...device,
      path: containerPath + device.path.slice(hostPath.length),
      rule: { allow: true, type: device.type, major: device.major, minor: device.minor, access: permissions },
    })),
  );
}
