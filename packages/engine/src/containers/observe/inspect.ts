import type { ContainerConfig, HostConfig } from '@slipway/api/docker';
import { formatTimeNs } from '@slipway/base';
import { MASKED_PATHS, READONLY_PATHS } from '@slipway/runtime';
import type { Container } from '../container.ts';
import type { ContainerContext } from '../context.ts';
import { networkFile } from '../run/networking.ts';
import { logPath } from '../run/start.ts';
import { toDockerState } from './docker-state.ts';
import { keySet, mountToWire, networksToWire, portMapToWire } from './wire.ts';

/** Docker's whole description of a container. @see Docker Engine API v1.51, ContainerInspect */
export async function inspectContainer(
  context: ContainerContext,
  container: Container,
  { size }: { readonly size: boolean },
): Promise<Record<string, unknown>> {
  const { definition } = container;
  const { config, hostConfig } = definition;
  const layers = await context.snapshots.mounts(definition.id).catch(() => undefined);
  return {
    Id: definition.id,
    Created: formatTimeNs(definition.createdAtNs),
    Path: definition.args[0] ?? '',
    Args: definition.args.slice(1),
    State: toDockerState(container),
    Image: definition.imageId,
    ResolvConfPath: networkFile(context, container, 'resolv.conf') ?? '',
    HostnamePath: networkFile(context, container, 'hostname') ?? '',
    HostsPath: networkFile(context, container, 'hosts') ?? '',
    LogPath: hostConfig.LogConfig?.Type === 'none' ? '' : logPath(container),
    Name: `/${definition.name}`,
    RestartCount: container.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: openExecs(container),
    HostConfig: hostConfigToWire(hostConfig),
    GraphDriver: {
      Name: 'overlayfs',
      Data:
        layers === undefined
          ? null
          : { LowerDir: layers.lower.join(':'), UpperDir: layers.upper ?? '', WorkDir: layers.work ?? '' },
    },
    ...(size ? await sizes(context, container) : {}),
    Mounts: definition.mounts
      .filter((mount) => mount.type !== 'tmpfs' || hostConfig.Tmpfs?.[mount.destination] === undefined)
      .map((mount) => mountToWire(mount, (name) => context.volumes.mountpoint(name))),
    Config: configToWire(config),
    NetworkSettings: networkSettings(context, container),
  };
}

/** Execs that have not ended; `docker exec` reads this answer each time, so it is to stay short. */
function openExecs({ execs }: Container): string[] | null {
  const open = [...execs.values()].filter(({ exitCode }) => exitCode === undefined);
  return open.length === 0 ? null : open.map(({ id }) => id);
}

/** What the container wrote, and that with its image. */
export async function sizes(
  context: ContainerContext,
  { definition }: Container,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const own = await context.snapshots.usage(definition.id);
  const image = await context.images.find(definition.imageId);
  return { SizeRw: own.sizeBytes, SizeRootFs: own.sizeBytes + (image?.sizeBytes ?? 0) };
}

/** Docker's whole configuration of a container, with what is empty as docker has it. */
export function configToWire(config: ContainerConfig): Record<string, unknown> {
  return {
    Hostname: config.Hostname ?? '',
    Domainname: config.Domainname ?? '',
    User: config.User ?? '',
    AttachStdin: config.AttachStdin ?? false,
    AttachStdout: config.AttachStdout ?? false,
    AttachStderr: config.AttachStderr ?? false,
    ...(config.ExposedPorts?.length ? { ExposedPorts: keySet(config.ExposedPorts) } : {}),
    Tty: config.Tty ?? false,
    OpenStdin: config.OpenStdin ?? false,
    StdinOnce: config.StdinOnce ?? false,
    Env: config.Env ?? [],
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
    Image: config.Image,
    Volumes: keySet(config.Volumes),
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    ...(config.NetworkDisabled ? { NetworkDisabled: true } : {}),
    OnBuild: null,
    Labels: config.Labels ?? {},
    ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell === undefined ? {} : { Shell: config.Shell }),
  };
}

function hostConfigToWire(host: HostConfig): Record<string, unknown> {
  return {
    Binds: host.Binds ?? null,
    ContainerIDFile: host.ContainerIDFile ?? '',
    LogConfig: { Type: host.LogConfig?.Type ?? 'json-file', Config: host.LogConfig?.Config ?? {} },
    NetworkMode: host.NetworkMode ?? '',
    PortBindings: Object.fromEntries(
      Object.entries(host.PortBindings ?? {}).map(([port, bindings]) => [
        port,
        (bindings ?? []).map(({ HostIp = '', HostPort = '' }) => ({ HostIp, HostPort })),
      ]),
    ),
    RestartPolicy: {
      Name: host.RestartPolicy?.Name ?? 'no',
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    AutoRemove: host.AutoRemove ?? false,
    VolumeDriver: host.VolumeDriver ?? '',
    VolumesFrom: host.VolumesFrom ?? null,
    ...(host.Mounts?.length ? { Mounts: host.Mounts } : {}),
    ...(host.Tmpfs && Object.keys(host.Tmpfs).length > 0 ? { Tmpfs: host.Tmpfs } : {}),
    ConsoleSize: host.ConsoleSize ?? [0, 0],
    ...(host.Annotations ? { Annotations: host.Annotations } : {}),
    CapAdd: host.CapAdd ?? null,
    CapDrop: host.CapDrop ?? null,
    CgroupnsMode: host.CgroupnsMode ?? '',
    Dns: host.Dns ?? [],
    DnsOptions: host.DnsOptions ?? [],
    DnsSearch: host.DnsSearch ?? [],
    ExtraHosts: host.ExtraHosts ?? null,
    GroupAdd: host.GroupAdd ?? null,
    IpcMode: host.IpcMode ?? '',
    Cgroup: host.Cgroup ?? '',
    Links: host.Links ?? null,
    OomScoreAdj: host.OomScoreAdj ?? 0,
    PidMode: host.PidMode ?? '',
    Privileged: host.Privileged ?? false,
    PublishAllPorts: host.PublishAllPorts ?? false,
    ReadonlyRootfs: host.ReadonlyRootfs ?? false,
    SecurityOpt: host.SecurityOpt ?? null,
    ...(host.StorageOpt ? { StorageOpt: host.StorageOpt } : {}),
    UTSMode: host.UTSMode ?? '',
    UsernsMode: host.UsernsMode ?? '',
    ShmSize: host.ShmSize ?? 0,
    ...(host.Sysctls && Object.keys(host.Sysctls).length > 0 ? { Sysctls: host.Sysctls } : {}),
    Runtime: host.Runtime ?? '',
    Isolation: host.Isolation ?? '',
    CpuShares: host.CpuShares ?? 0,
    Memory: host.Memory ?? 0,
    NanoCpus: host.NanoCpus ?? 0,
    CgroupParent: host.CgroupParent ?? '',
    BlkioWeight: host.BlkioWeight ?? 0,
    BlkioWeightDevice: host.BlkioWeightDevice ?? [],
    BlkioDeviceReadBps: host.BlkioDeviceReadBps ?? [],
    BlkioDeviceWriteBps: host.BlkioDeviceWriteBps ?? [],
    BlkioDeviceReadIOps: host.BlkioDeviceReadIOps ?? [],
    BlkioDeviceWriteIOps: host.BlkioDeviceWriteIOps ?? [],
    CpuPeriod: host.CpuPeriod ?? 0,
    CpuQuota: host.CpuQuota ?? 0,
    CpuRealtimePeriod: host.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: host.CpuRealtimeRuntime ?? 0,
    CpusetCpus: host.CpusetCpus ?? '',
    CpusetMems: host.CpusetMems ?? '',
    Devices: host.Devices ?? [],
    DeviceCgroupRules: host.DeviceCgroupRules ?? null,
    DeviceRequests: host.DeviceRequests ?? null,
    MemoryReservation: host.MemoryReservation ?? 0,
    MemorySwap: host.MemorySwap ?? 0,
    MemorySwappiness: host.MemorySwappiness ?? null,
    OomKillDisable: host.OomKillDisable ?? false,
    PidsLimit: host.PidsLimit ?? null,
    Ulimits: host.Ulimits ?? [],
    ...(host.Init === undefined ? {} : { Init: host.Init }),
    MaskedPaths: host.Privileged ? null : (host.MaskedPaths ?? MASKED_PATHS),
    ReadonlyPaths: host.Privileged ? null : (host.ReadonlyPaths ?? READONLY_PATHS),
  };
}

function networkSettings(context: ContainerContext, container: Container): Record<string, unknown> {
  const { sandbox, definition } = container;
  const networks = networksToWire(context, container);
  const onDefaultBridge = definition.networks.has('bridge') ? sandbox?.endpoints[0] : undefined;
  return {
    Bridge: '',
    SandboxID: sandbox === undefined ? '' : definition.id,
    SandboxKey: sandbox?.netnsPath ?? '',
    Ports: portMapToWire(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onDefaultBridge?.endpointId ?? '',
    Gateway: onDefaultBridge?.gateway ?? '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: onDefaultBridge?.ipv4 ?? '',
    IPPrefixLen: onDefaultBridge?.prefixLength ?? 0,
    IPv6Gateway: '',
    MacAddress: onDefaultBridge?.macAddress ?? '',
    Networks: networks,
  };
}
