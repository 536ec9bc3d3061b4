/**
 * What the client reads of the daemon's answers: the fields that the command shows, no more.
 * @see Docker Engine API v1.51
 */
export type Labels = Readonly<Record<string, string>>;
export type Filters = Readonly<Record<string, readonly string[]>>;

export interface PortSummary {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

export interface MountPoint {
  readonly Type: string;
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
}

export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Ports: readonly PortSummary[] | null;
  readonly Labels: Labels | null;
  readonly State: string;
  readonly Status: string;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts: readonly MountPoint[] | null;
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, unknown>> | null };
}

export interface ContainerInspect {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Image: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Paused: boolean;
    readonly Restarting: boolean;
    readonly ExitCode: number;
    readonly Error: string;
  };
  readonly Config: {
    readonly Tty: boolean;
    readonly OpenStdin: boolean;
    readonly AttachStdin: boolean;
    readonly Image: string;
  };
  readonly HostConfig: { readonly AutoRemove: boolean; readonly LogConfig?: { readonly Type: string } };
  readonly NetworkSettings: {
    readonly Ports: Readonly<
      Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[] | null>
    > | null;
  };
}

export interface CreateReply {
  readonly Id: string;
  readonly Warnings: readonly string[] | null;
}

export interface WaitReply {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string } | null;
}

export interface TopReply {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[] | null;
}

export interface Change {
  /** 0 modified, 1 added, 2 deleted. */
  readonly Kind: number;
  readonly Path: string;
}

export interface CpuStats {
  readonly cpu_usage?: { readonly total_usage?: number; readonly percpu_usage?: readonly number[] | null };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

export interface StatsReply {
  readonly id?: string;
  readonly name?: string;
  readonly read: string;
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly pids_stats?: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
}

export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode bits. */
  readonly mode: number;
  readonly mtime: string;
  readonly linkTarget: string;
}

export interface PruneReply {
  readonly ContainersDeleted?: readonly string[] | null;
  readonly VolumesDeleted?: readonly string[] | null;
  readonly NetworksDeleted?: readonly string[] | null;
  readonly ImagesDeleted?: readonly ImageDeleted[] | null;
  readonly SpaceReclaimed?: number;
}

export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize: number;
  readonly Containers: number;
  readonly Labels: Labels | null;
}

export interface ImageHistoryItem {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
  readonly Tags: readonly string[] | null;
}

export interface ImageDeleted {
  readonly Deleted?: string;
  readonly Untagged?: string;
}

export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Scope: string;
  readonly Labels: Labels | null;
  readonly UsageData?: { readonly Size: number; readonly RefCount: number } | null;
}

export interface VolumeList {
  readonly Volumes: readonly Volume[] | null;
  readonly Warnings: readonly string[] | null;
}

export interface Network {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly Internal: boolean;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6: boolean;
  readonly Created: string;
  readonly Labels: Labels | null;
}

export interface ExecInspect {
  readonly Running: boolean;
  readonly ExitCode: number | null;
}

export interface DiskUsage {
  readonly LayersSize?: number;
  readonly Images: readonly ImageSummary[] | null;
  readonly Containers: readonly ContainerSummary[] | null;
  readonly Volumes: readonly Volume[] | null;
  readonly BuildCache?:
    | readonly {
        readonly ID: string;
        readonly Type: string;
        readonly Size: number;
        readonly InUse: boolean;
        readonly Shared: boolean;
        readonly Description?: string;
        readonly CreatedAt?: string;
        readonly LastUsedAt?: string | null;
        readonly UsageCount?: number;
      }[]
    | null;
}

export interface Event {
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Labels | null };
  readonly scope?: string;
  readonly time: number;
  /** Nanoseconds since the epoch. */
  readonly timeNano: bigint;
}

/** The daemon's `GET /info`, which grows with every version: only what is shown by name. */
export interface InfoReply {
  readonly [field: string]: unknown;
}

/** A login at a registry, as `X-Registry-Auth` and `POST /auth` take it. */
export interface RegistryLogin {
  readonly username?: string;
  readonly password?: string;
  /** A token that stands for name and password. */
  readonly identitytoken?: string;
  readonly registrytoken?: string;
  /** The registry's host; Docker Hub's is `https://index.docker.io/v1/`. */
  readonly serveraddress: string;
}

export interface LoginReply {
  readonly Status: string;
  /** To be kept instead of the password, where the registry gives one. */
  readonly IdentityToken?: string;
}

export interface FoundImage {
  readonly name: string;
  readonly description: string;
  readonly is_official: boolean;
  readonly star_count: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** What a name means in its registry; `manifest` and `config` are the registry's own documents. */
export interface RemoteImage {
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly platforms: readonly Platform[];
  readonly manifest: unknown;
  readonly config?: unknown;
}

/** An index that was pushed. */
export interface PushedIndex {
  readonly digest: string;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string; readonly platform?: Platform | null }[];
}

export interface RegistryStatus {
  readonly repositories: number;
  readonly manifests: number;
  readonly blobs: number;
  readonly sizeBytes: number;
  readonly uploads: number;
  readonly isReadOnly: boolean;
  /** The registries that it is a pull-through cache of. */
  readonly upstreams: readonly { readonly prefix: string; readonly url: string }[];
}

export interface RegistryCollection {
  readonly removedBlobs: number;
  readonly removedUploads: number;
  readonly freedBytes: number;
}

export interface RegistryRepository {
  readonly name: string;
  readonly createdAtMs: number;
  readonly manifestCount: number;
  readonly tagCount: number;
  readonly sizeBytes: number;
  readonly immutableTags: boolean;
  readonly quotaBytes?: number;
  readonly upstream?: string;
}

export interface RepositoryManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
  readonly pushedAtMs: number;
  readonly lastPulledAtMs?: number;
  readonly platforms: readonly Platform[];
  /** The digest of the manifest that this one belongs to, as a signature does. */
  readonly subject?: string;
}

export interface RegistryWebhook {
  readonly id: string;
  readonly url: string;
  /** A repository's name; `*` stands for any characters. */
  readonly repositories: string;
  readonly hasSecret: boolean;
}

/** Leave to do something with the repositories whose names fit. */
export interface Grant {
  readonly repositories: string;
  readonly actions: readonly ('pull' | 'push' | 'delete')[];
}

/** Somebody who may use the daemon's TCP port. */
export interface Account {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly grants: readonly Grant[];
  /** Without one it has access keys alone. */
  readonly hasPassword: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** What the AWS tools sign with. */
export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** An access key as IAM describes it. @see https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKeyMetadata.html */
export interface AccessKeyMetadata {
  readonly UserName: string;
  readonly AccessKeyId: string;
  readonly Status: 'Active';
  /** RFC 3339. */
  readonly CreateDate: string;
}

/** @see https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html */
export interface NewAccessKey extends AccessKeyMetadata {
  readonly SecretAccessKey: string;
}

/** A step that failed, kept to be looked into. */
export interface FailedStep {
  readonly id: string;
  readonly title: string;
  readonly failedAtMs: number;
  readonly sizeBytes: number;
  readonly isOpen: boolean;
  readonly lastExitCode?: number;
}

/** A line of Slipway's own build. Bytes are base64, times milliseconds since the epoch. */
export type BuildMessage =
  | {
      readonly kind: 'vertex';
      readonly digest: string;
      readonly title: string;
      readonly startedAtMs?: number;
      readonly completedAtMs?: number;
      readonly cached: boolean;
      readonly error?: string;
    }
  | {
      readonly kind: 'log';
      readonly digest: string;
      readonly stream: 'stdout' | 'stderr';
      readonly data: string;
      readonly atMs: number;
    }
  | {
      readonly kind: 'progress';
      readonly digest: string;
      readonly name: string;
      readonly currentBytes: number;
      readonly totalBytes?: number;
      readonly completedAtMs?: number;
    }
  | {
      readonly kind: 'warning';
      readonly warning: {
        readonly rule: string;
        readonly detail: string;
        readonly description: string;
        readonly url: string;
        readonly ranges: readonly { readonly start: { readonly line: number } }[];
      };
    }
  | { readonly kind: 'output'; readonly data: string }
  | { readonly kind: 'image'; readonly id: string; readonly names: readonly string[] }
  | {
      readonly kind: 'error';
      readonly message: string;
      readonly exitCode?: number;
      readonly failedStep?: string;
    };

/** What `POST /build/prune` answers. */
export interface BuildCachePruned {
  readonly CachesDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** A build of before, or one that runs. */
export interface BuildHistoryItem {
  readonly id: string;
  readonly name: string;
  readonly startedAtMs: number;
  readonly completedAtMs?: number;
  readonly status: 'running' | 'completed' | 'error' | 'canceled';
  readonly stepsTotal: number;
  readonly stepsCached: number;
  readonly error?: string;
  readonly imageId?: string;
}
