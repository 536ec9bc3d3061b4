import { z } from 'zod';
import { flag, integer, labels, nullable, text, texts } from './common.ts';

/**
 * The body of `POST /containers/create`, read leniently: unknown keys are ignored and null is absent.
 * @see Docker Engine API v1.51, ContainerCreate
 */
/** A command is a list; old clients send one string. */
const command = nullable(z.union([z.string().transform((word) => [word]), z.array(z.string())]));
const keys = nullable(z.record(z.string(), z.unknown()).transform((record) => Object.keys(record)));

export const healthcheckSchema = z.object({
  Test: texts,
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  StartInterval: integer,
  Retries: integer,
});

export const containerConfigSchema = z.object({
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: keys,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: texts,
  Cmd: command,
  Healthcheck: nullable(healthcheckSchema),
  ArgsEscaped: flag,
  Image: text,
  Volumes: keys,
  WorkingDir: text,
  Entrypoint: command,
  NetworkDisabled: flag,
  MacAddress: text,
  Labels: labels,
  StopSignal: text,
  StopTimeout: integer,
  Shell: texts,
});

export const portBindingSchema = z.object({ HostIp: text, HostPort: text });

const throttle = nullable(z.array(z.object({ Path: z.string(), Rate: z.number() })));

export const mountSchema = z.object({
  Type: z.string().default('volume'),
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: nullable(
    z.object({
      Propagation: text,
      NonRecursive: flag,
      CreateMountpoint: flag,
      ReadOnlyNonRecursive: flag,
      ReadOnlyForceRecursive: flag,
    }),
  ),
  VolumeOptions: nullable(
    z.object({
      NoCopy: flag,
      Labels: labels,
      Subpath: text,
      DriverConfig: nullable(z.object({ Name: text, Options: labels })),
    }),
  ),
  TmpfsOptions: nullable(
    z.object({ SizeBytes: integer, Mode: integer, Options: nullable(z.array(z.array(z.string()))) }),
  ),
});

export const resourcesSchema = z.object({
  CpuShares: integer,
  Memory: integer,
  CgroupParent: text,
  BlkioWeight: integer,
  BlkioWeightDevice: nullable(z.array(z.object({ Path: z.string(), Weight: z.number() }))),
  BlkioDeviceReadBps: throttle,
  BlkioDeviceWriteBps: throttle,
  BlkioDeviceReadIOps: throttle,
  BlkioDeviceWriteIOps: throttle,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: nullable(z.array(z.object({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text }))),
  DeviceCgroupRules: texts,
  DeviceRequests: nullable(z.array(z.unknown())),
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integer,
  NanoCpus: integer,
  OomKillDisable: flag,
  Init: flag,
  PidsLimit: integer,
  Ulimits: nullable(z.array(z.object({ Name: z.string(), Soft: z.number(), Hard: z.number() }))),
});

export const restartPolicySchema = z.object({ Name: text, MaximumRetryCount: integer });

export const hostConfigSchema = resourcesSchema.extend({
  Binds: texts,
  ContainerIDFile: text,
  LogConfig: nullable(z.object({ Type: text, Config: labels })),
  NetworkMode: text,
  PortBindings: nullable(z.record(z.string(), nullable(z.array(portBindingSchema)))),
  RestartPolicy: nullable(restartPolicySchema),
  AutoRemove: flag,
  VolumeDriver: text,
  VolumesFrom: texts,
  Mounts: nullable(z.array(mountSchema)),
  ConsoleSize: nullable(z.array(z.number())),
  Annotations: labels,
  CapAdd: texts,
  CapDrop: texts,
  CgroupnsMode: text,
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  IpcMode: text,
  Cgroup: text,
  Links: texts,
  OomScoreAdj: integer,
  PidMode: text,
  Privileged: flag,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: texts,
  StorageOpt: labels,
  Tmpfs: labels,
  UTSMode: text,
  UsernsMode: text,
  ShmSize: integer,
  Sysctls: labels,
  Runtime: text,
  Isolation: text,
  MaskedPaths: texts,
  ReadonlyPaths: texts,
});

export const endpointSettingsSchema = z.object({
  IPAMConfig: nullable(z.object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: texts })),
  Links: texts,
  Aliases: texts,
  MacAddress: text,
  DriverOpts: labels,
  GwPriority: integer,
});

export const createContainerSchema = containerConfigSchema.extend({
  HostConfig: nullable(hostConfigSchema),
  NetworkingConfig: nullable(
    z.object({ EndpointsConfig: nullable(z.record(z.string(), nullable(endpointSettingsSchema))) }),
  ),
});

export const updateContainerSchema = resourcesSchema.extend({ RestartPolicy: nullable(restartPolicySchema) });

export type Healthcheck = z.infer<typeof healthcheckSchema>;
export type ContainerConfig = z.infer<typeof containerConfigSchema>;
export type HostConfig = z.infer<typeof hostConfigSchema>;
export type Resources = z.infer<typeof resourcesSchema>;
export type MountRequest = z.infer<typeof mountSchema>;
export type EndpointSettings = z.infer<typeof endpointSettingsSchema>;
export type CreateContainerBody = z.infer<typeof createContainerSchema>;
export type UpdateContainerBody = z.infer<typeof updateContainerSchema>;
