/** A mount for the container, in the runtime specification's terms. */
export interface SpecMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** A device node for the container; `*` permissions are `rwm` letters. */
export interface SpecDevice {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly permissions: string;
}

/** `undefined` path: a new namespace; `host`: the host's; a path: that one is joined. */
export type NamespaceMode =
  | { readonly kind: 'new' }
  | { readonly kind: 'host' }
  | { readonly kind: 'path'; readonly path: string };

/** Limits; undefined means not limited. Docker's meanings and units. */
export interface SpecResources {
  readonly memoryBytes?: number | undefined;
  /** Memory plus swap; -1 unlimited. */
  readonly memorySwapBytes?: number | undefined;
  readonly memoryReservationBytes?: number | undefined;
  readonly memorySwappiness?: number | undefined;
  readonly oomKillDisable?: boolean | undefined;
  readonly cpuShares?: number | undefined;
  readonly cpuQuotaUs?: number | undefined;
  readonly cpuPeriodUs?: number | undefined;
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  readonly cpuRealtimePeriodUs?: number | undefined;
  readonly cpuRealtimeRuntimeUs?: number | undefined;
  readonly pidsLimit?: number | undefined;
  readonly blkioWeight?: number | undefined;
  readonly blkioWeightDevice?: readonly { path: string; weight: number }[] | undefined;
  readonly blkioDeviceReadBps?: readonly { path: string; rate: number }[] | undefined;
  readonly blkioDeviceWriteBps?: readonly { path: string; rate: number }[] | undefined;
  readonly blkioDeviceReadIops?: readonly { path: string; rate: number }[] | undefined;
  readonly blkioDeviceWriteIops?: readonly { path: string; rate: number }[] | undefined;
  readonly deviceCgroupRules?: readonly string[] | undefined;
}

/** What a container is to be, free of Docker's wire format. `buildSpec` turns it into the OCI runtime specification. */
export interface SpecOptions {
  readonly id: string;
  readonly rootfsPath: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly terminal: boolean;
  /** The terminal's first size, in character cells. */
  readonly consoleSize?: { readonly height: number; readonly width: number } | undefined;
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly hostname: string;
  readonly domainname: string;
  readonly privileged: boolean;
  readonly readonlyRootfs: boolean;
  /** Names without or with `CAP_`, or `ALL`. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  /** `default`: Docker's profile; `unconfined`: none; otherwise a profile's JSON in Docker's format. */
  readonly seccomp: 'default' | 'unconfined' | { readonly profile: unknown };
  readonly apparmorProfile: string | undefined;
  readonly selinuxLabel: string | undefined;
  readonly namespaces: {
    readonly pid: NamespaceMode;
    readonly ipc: NamespaceMode;
    readonly uts: NamespaceMode;
    readonly network: NamespaceMode;
    readonly cgroup: NamespaceMode;
    /** `new` needs `idMappings`. */
    readonly user: NamespaceMode;
  };
  readonly idMappings: { readonly uid: readonly IdMapping[]; readonly gid: readonly IdMapping[] } | undefined;
  /** Beyond the default ones (`/proc`, `/dev`, …); a destination that is a default one replaces it. */
  readonly mounts: readonly SpecMount[];
  /** 0 is Docker's default; `none`: no `/dev/shm` at all. */
  readonly shmSizeBytes: number | 'none';
  readonly devices: readonly SpecDevice[];
  readonly resources: SpecResources;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj: number | undefined;
  /** Undefined: Docker's defaults; `[]`: none. */
  readonly maskedPaths: readonly string[] | undefined;
  readonly readonlyPaths: readonly string[] | undefined;
  /** E.g. `/slipway/<id>`. */
  readonly cgroupsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface IdMapping {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}
