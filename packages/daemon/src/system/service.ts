import type { VersionReply } from '@slipway/api/docker';
import { type Clock, formatTimeNs } from '@slipway/base';
import type { EventBus } from '@slipway/engine/events';
import { type ApiVersion, DOCKER_API } from '@slipway/http';
import type { Config } from '../config.ts';
import type { HostFacts } from './host.ts';
import { infoWarnings } from './warnings.ts';

export interface EngineCounts {
  readonly running: number;
  readonly paused: number;
  readonly stopped: number;
  readonly images: number;
}

/** What takes space, each noun as its own list endpoint shows it. */
export interface DiskUsage {
  readonly layersSizeBytes: () => Promise<number>;
  readonly images: (version: ApiVersion) => Promise<readonly unknown[]>;
  readonly containers: () => Promise<readonly unknown[]>;
  readonly volumes: () => Promise<readonly unknown[]>;
  readonly buildCache: () => Promise<readonly unknown[]>;
}

/** What this slice reads of the rest. */
export interface SystemContext {
  readonly clock: Clock;
  readonly config: Config;
  readonly events: EventBus;
  readonly host: HostFacts;
  /** Stays the same for this data root. */
  readonly engineId: string;
  readonly version: string;
  readonly commit: string;
  readonly runtimes: ReadonlyMap<string, { readonly path: string; readonly version: string }>;
  readonly defaultRuntime: string;
  /** How the layers of images are kept. */
  readonly layerForm: string;
  readonly counts: () => EngineCounts;
  readonly usage: DiskUsage;
  /** Open descriptors of this process. */
  readonly openFiles: () => number;
}

/** What the whole engine tells of itself. */
export class SystemService {
  readonly #context: SystemContext;

  constructor(context: SystemContext) {
    this.#context = context;
  }

  version(): VersionReply {
    const { host, version, commit, runtimes } = this.#context;
    return {
      Platform: { Name: 'Slipway' },
      Components: [
        {
          Name: 'Engine',
          Version: version,
          Details: {
            ApiVersion: DOCKER_API.newest,
            Arch: host.goArchitecture,
            BuildTime: '',
            Experimental: 'false',
            GitCommit: commit,
            GoVersion: `none (Node.js ${process.versions.node})`,
            KernelVersion: host.kernelVersion,
            MinAPIVersion: DOCKER_API.oldest,
            Os: 'linux',
          },
        },
        ...[...runtimes].map(([Name, runtime]) => ({
          Name,
          Version: runtime.version,
          Details: { Path: runtime.path },
        })),
      ],
      Version: version,
      ApiVersion: DOCKER_API.newest,
      MinAPIVersion: DOCKER_API.oldest,
      GitCommit: commit,
      GoVersion: `none (Node.js ${process.versions.node})`,
      Os: 'linux',
      Arch: host.goArchitecture,
      KernelVersion: host.kernelVersion,
      BuildTime: '',
    };
  }

  /** @see Docker Engine API v1.51, SystemInfo */
  info(): Record<string, unknown> {
    const { clock, config, host, engineId, version, commit, runtimes, defaultRuntime } = this.#context;
    const counts = this.#context.counts();
    const { cgroup } = host;
    return {
      ID: engineId,
      Containers: counts.running + counts.paused + counts.stopped,
      ContainersRunning: counts.running,
      ContainersPaused: counts.paused,
      ContainersStopped: counts.stopped,
      Images: counts.images,
      Driver: 'overlay2',
      DriverStatus: [
        ['Backing Filesystem', 'overlayfs'],
        ['Supports d_type', 'true'],
        ['Layer Form', this.#context.layerForm],
      ],
      Plugins: {
        Volume: ['local'],
        Network: ['bridge', 'host', 'null'],
        Authorization: null,
        Log: ['json-file', 'none'],
      },
      MemoryLimit: cgroup.memory,
      SwapLimit: cgroup.swap,
      CpuCfsPeriod: cgroup.cpuPeriod,
      CpuCfsQuota: cgroup.cpuQuota,
      CPUShares: cgroup.cpuShares,
      CPUSet: cgroup.cpuset,
      PidsLimit: cgroup.pids,
      IPv4Forwarding: host.ipv4Forwarding,
      BridgeNfIptables: false,
      BridgeNfIp6tables: false,
      Debug: config.logLevel === 'debug',
      NFd: this.#context.openFiles(),
      OomKillDisable: cgroup.oomKillDisable,
      NGoroutines: 0,
      SystemTime: formatTimeNs(clock.nowNs()),
      LoggingDriver: 'json-file',
      CgroupDriver: 'cgroupfs',
      CgroupVersion: String(cgroup.version),
      NEventsListener: this.#context.events.subscriptionCount,
      KernelVersion: host.kernelVersion,
      OperatingSystem: host.operatingSystem,
      OSVersion: host.osVersion,
      OSType: 'linux',
      Architecture: host.architecture,
      IndexServerAddress: 'https://index.docker.io/v1/',
      RegistryConfig: {
        AllowNondistributableArtifactsCIDRs: null,
        AllowNondistributableArtifactsHostnames: null,
        ...registryConfig(config),
      },
      NCPU: host.cpus,
      MemTotal: host.memoryBytes,
      GenericResources: null,
      DockerRootDir: config.dataRoot,
      HttpProxy: '',
      HttpsProxy: '',
      NoProxy: '',
      Name: host.name,
      Labels: [],
      ExperimentalBuild: false,
      ServerVersion: version,
      Runtimes: Object.fromEntries([...runtimes].map(([name, { path }]) => [name, { path }])),
      DefaultRuntime: defaultRuntime,
      Swarm: {
        NodeID: '',
        NodeAddr: '',
        LocalNodeState: 'inactive',
        ControlAvailable: false,
        Error: '',
        RemoteManagers: null,
      },
      LiveRestoreEnabled: !config.stopContainers,
      Isolation: '',
      InitBinary: config.initPath,
      ContainerdCommit: { ID: '' },
      RuncCommit: { ID: runtimes.get(defaultRuntime)?.version ?? '' },
      InitCommit: { ID: '' },
      SecurityOptions: [
        ...(host.apparmor ? ['name=apparmor'] : []),
        'name=seccomp,profile=builtin',
        ...(cgroup.version === 2 ? ['name=cgroupns'] : []),
      ],
      CDISpecDirs: [],
      ProductLicense: 'Apache-2.0',
      Warnings: infoWarnings(host),
      Commit: commit,
    };
  }

  /** @param types Empty: everything. */
  async diskUsage(types: readonly string[], version: ApiVersion): Promise<Record<string, unknown>> {
    const { usage } = this.#context;
    const wants = (type: string) => types.length === 0 || types.includes(type);
    return {
      ...(wants('image') && {
        LayersSize: await usage.layersSizeBytes(),
        Images: await usage.images(version),
      }),
      ...(wants('container') && { Containers: await usage.containers() }),
      ...(wants('volume') && { Volumes: await usage.volumes() }),
      ...(wants('build-cache') && { BuildCache: await usage.buildCache() }),
    };
  }
}

/** Docker's words for how registries are reached. */
function registryConfig({ registryMirrors, insecureRegistries }: Config) {
  const hosts = insecureRegistries.filter((entry) => !entry.includes('/'));
  const mirrors = registryMirrors.filter(({ domain }) => domain === 'docker.io').map(({ url }) => `${url}/`);
  return {
    InsecureRegistryCIDRs: [
      ...insecureRegistries.filter((entry) => entry.includes('/')),
      '127.0.0.0/8',
      '::1/128',
    ],
    IndexConfigs: {
      ...Object.fromEntries(
        hosts.map((host) => [host, { Name: host, Mirrors: [], Secure: false, Official: false }]),
      ),
      'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
    },
    Mirrors: mirrors,
  };
}
