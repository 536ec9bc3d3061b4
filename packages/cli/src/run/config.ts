import { readFile } from 'node:fs/promises';
import { SlipwayError } from '@slipway/base/errors';
import type { Input } from '../command.ts';
import type { ConsoleSize } from '../stdio/terminal.ts';
import type { CREATE_FLAGS } from './flags.ts';
import { parseMount, parseTmpfs, parseVolumes } from './mounts.ts';
import { parsePorts } from './ports.ts';
import {
  parseDevice,
  parseEnv,
  parseMap,
  parseRestart,
  parseThrottle,
  parseUlimit,
  settingLines,
} from './values.ts';

type CreateInput = Input<typeof CREATE_FLAGS>;
type CreateFlags = CreateInput['flags'];
type Environment = Readonly<Record<string, string | undefined>>;

/** What a container is attached to when it runs. */
export interface AttachedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** `-a`, or with none: the outputs, and standard input with `-i`; nothing in the background. */
export function attachedStreams(flags: CreateFlags, detach: boolean): AttachedStreams {
  const named = flags.attach.map((name) => name.toLowerCase());
  for (const name of named) {
    if (!['stdin', 'stdout', 'stderr'].includes(name)) {
      throw new SlipwayError(
        'InvalidArgument',
        `cannot attach to "${name}": stdin, stdout and stderr are known`,
      );
    }
  }
  if (detach) return { stdin: false, stdout: false, stderr: false };
  if (named.length === 0) return { stdin: flags.interactive, stdout: true, stderr: true };
  return {
    stdin: named.includes('stdin'),
    stdout: named.includes('stdout'),
    stderr: named.includes('stderr'),
  };
}

/**
 * The body of `POST /containers/create` for a command line.
 * @throws InvalidArgument naming the flag's value.
 */
export async function createConfig(
  { flags, args, given }: CreateInput,
  streams: AttachedStreams,
  env: Environment,
  consoleSize?: ConsoleSize,
): Promise<object> {
  const [image, ...command] = args;
  const ports = parsePorts(flags.publish, flags.expose);
  const volumes = parseVolumes(flags.volume);
  const labels = [...(await fromFiles(flags['label-file'])), ...flags.label];
  return compact({
    Image: image,
    Cmd: command.length > 0 ? command : undefined,
    Entrypoint: given.has('entrypoint') ? [flags.entrypoint] : undefined,
    Env: [...parseEnv(await fromFiles(flags['env-file']), env), ...parseEnv(flags.env, env)],
    Labels: parseMap(labels),
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    WorkingDir: flags.workdir,
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && streams.stdin,
    AttachStdin: streams.stdin,
    AttachStdout: streams.stdout,
    AttachStderr: streams.stderr,
    ExposedPorts: ports.ExposedPorts,
    Volumes: volumes.Volumes,
    StopSignal: flags['stop-signal'],
    StopTimeout: flags['stop-timeout'],
    MacAddress: flags['mac-address'],
    Healthcheck: healthcheck(flags),
    HostConfig: {
      ...(await hostConfig(flags, given)),
      ...resources(flags),
      ...(flags.tty && consoleSize !== undefined ? { ConsoleSize: consoleSize } : {}),
      PortBindings: ports.PortBindings,
      Binds: volumes.Binds,
      Mounts: flags.mount.length > 0 ? flags.mount.map(parseMount) : undefined,
    },
    NetworkingConfig: networking(flags),
  });
}

async function hostConfig(flags: CreateFlags, given: ReadonlySet<string>): Promise<object> {
  const network = flags.network || flags.net || 'default';
  return compact({
    NetworkMode: network,
    RestartPolicy: parseRestart(flags.restart),
    AutoRemove: flags.rm,
    PublishAllPorts: flags['publish-all'],
    Privileged: flags.privileged,
    ReadonlyRootfs: flags['read-only'],
    Init: given.has('init') ? flags.init : undefined,
    CapAdd: flags['cap-add'],
    CapDrop: flags['cap-drop'],
    GroupAdd: flags['group-add'],
    ExtraHosts: flags['add-host'].map((host) => (host.includes(':') ? host : host.replace('=', ':'))),
    Dns: flags.dns,
    DnsOptions: [...flags['dns-option'], ...flags['dns-opt']],
    DnsSearch: flags['dns-search'],
    PidMode: flags.pid,
    IpcMode: flags.ipc,
    UTSMode: flags.uts,
    UsernsMode: flags.userns,
    CgroupnsMode: flags.cgroupns,
    CgroupParent: flags['cgroup-parent'],
    SecurityOpt: await Promise.all(flags['security-opt'].map(readSeccomp)),
    Sysctls: parseMap(flags.sysctl),
    Tmpfs: parseTmpfs(flags.tmpfs),
    ShmSize: flags['shm-size'],
    StorageOpt: parseMap(flags['storage-opt']),
    LogConfig: { Type: flags['log-driver'], Config: parseMap(flags['log-opt']) },
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: flags['volumes-from'],
    Links: flags.link,
    OomScoreAdj: flags['oom-score-adj'],
    Runtime: flags.runtime,
    Isolation: flags.isolation,
    Annotations: parseMap(flags.annotation),
  });
}

/** Limits and devices. */
function resources(flags: CreateFlags): object {
  const throttle = (values: readonly string[], asBytes: boolean) =>
    values.map((value) => parseThrottle(value, asBytes));
  return compact({
    Memory: flags.memory,
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    MemorySwappiness: flags['memory-swappiness'],
    KernelMemory: flags['kernel-memory'],
    OomKillDisable: flags['oom-kill-disable'] ? true : undefined,
    NanoCpus: flags.cpus === undefined ? undefined : Math.round(flags.cpus * 1e9),
    CpuShares: flags['cpu-shares'],
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    PidsLimit: flags['pids-limit'],
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: throttle(flags['blkio-weight-device'], false).map(({ Path, Rate }) => ({
      Path,
      Weight: Rate,
    })),
    BlkioDeviceReadBps: throttle(flags['device-read-bps'], true),
    BlkioDeviceReadIOps: throttle(flags['device-read-iops'], false),
    BlkioDeviceWriteBps: throttle(flags['device-write-bps'], true),
    BlkioDeviceWriteIOps: throttle(flags['device-write-iops'], false),
    Devices: flags.device.map(parseDevice),
    DeviceCgroupRules: flags['device-cgroup-rule'],
    Ulimits: flags.ulimit.map(parseUlimit),
  });
}

function healthcheck(flags: CreateFlags): object | undefined {
  if (flags['no-healthcheck']) return { Test: ['NONE'] };
  const check = compact({
    Test: flags['health-cmd'] === '' ? undefined : ['CMD-SHELL', flags['health-cmd']],
    Interval: flags['health-interval'],
    Timeout: flags['health-timeout'],
    StartPeriod: flags['health-start-period'],
    StartInterval: flags['health-start-interval'],
    Retries: flags['health-retries'],
  });
  return Object.keys(check).length === 0 ? undefined : check;
}

function networking(flags: CreateFlags): object | undefined {
  const ipam = compact({
    IPv4Address: flags.ip,
    IPv6Address: flags.ip6,
    LinkLocalIPs: flags['link-local-ip'],
  });
  const endpoint = compact({
    Aliases: [...flags['network-alias'], ...flags['net-alias']],
    IPAMConfig: Object.keys(ipam).length === 0 ? undefined : ipam,
    MacAddress: flags['mac-address'],
  });
  if (Object.keys(endpoint).length === 0) return undefined;
  return { EndpointsConfig: { [flags.network || flags.net || 'default']: endpoint } };
}

/** `seccomp=FILE` is sent as the file's text. */
async function readSeccomp(option: string): Promise<string> {
  const file = /^seccomp[=:](.+)$/.exec(option)?.[1];
  if (file === undefined || ['unconfined', 'builtin'].includes(file)) return option;
  return `seccomp=${JSON.stringify(JSON.parse(await readFile(file, 'utf8')))}`;
}

async function fromFiles(paths: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(
    paths.map((path) =>
      readFile(path, 'utf8').catch((cause: Error) => {
        throw new SlipwayError('InvalidArgument', `cannot read ${path}: ${cause.message}`, { cause });
      }),
    ),
  );
  return texts.flatMap(settingLines);
}

/** Without what was not given: undefined, '', empty lists and maps. */
function compact(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) =>
        value !== undefined && value !== '' && !(value instanceof Object && Object.keys(value).length === 0),
    ),
  );
}
