import type { ContainerConfig, EndpointSettings, HostConfig } from '@slipway/api/docker';
import type { ContainerId, HostPath } from '@slipway/base';
import type { NetworkSandbox } from '@slipway/network';
import type { ChainId, ImageId } from '@slipway/oci';
import type { DiskMount, Process, SpecMount, Task } from '@slipway/runtime';
import type { OutputHub } from './run/output-hub.ts';
import type { ContainerState, Ended } from './state.ts';

/** A mount as resolved at create: the same at each start, and what inspect shows under `Mounts`. */
export interface MountPoint {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** A volume's name; empty otherwise. */
  readonly name: string;
  /** A bind's path on the host; empty for a volume (asked of the volume at start) and a tmpfs. */
  readonly source: string;
  readonly destination: string;
  readonly driver: string;
  /** The mode as the user wrote it: `z`, `ro`, `rw,nocopy`. */
  readonly mode: string;
  readonly readWrite: boolean;
  readonly propagation: string;
  /** Volumes: copy what the image has there into an empty volume at first use. */
  readonly copyUp: boolean;
  /** Volumes: only this folder of it. */
  readonly subpath: string | undefined;
  /** Made for this container alone; removed with it by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
  /** A bind: make a missing source (`-v`), or refuse it (`--mount`). */
  readonly createSource: boolean;
  readonly recursive: boolean;
  /** A tmpfs: its mount options. */
  readonly tmpfsOptions: readonly string[];
}

/** What a container is; fixed at create but for `name`, `hostConfig` (update) and `networks` (connect). Persisted. */
export interface ContainerDefinition {
  readonly id: ContainerId;
  /** Without the leading slash. */
  name: string;
  readonly createdAtNs: bigint;
  readonly imageReference: string;
  readonly imageId: ImageId;
  readonly chainId: ChainId | undefined;
  /** The image's configuration with the request's laid over it. */
  readonly config: ContainerConfig;
  hostConfig: HostConfig;
  readonly mounts: readonly MountPoint[];
  /** The endpoints asked for, by network name (or id, as asked); empty for host, none and container: modes. */
  networks: ReadonlyMap<string, EndpointSettings>;
  readonly args: readonly string[];
}

/** A container as the daemon holds it: the definition, the state, and what lives only while it runs. */
export interface Container {
  readonly definition: ContainerDefinition;
  /** Changed only through `setState`, which persists it. */
  state: ContainerState;
  restartCount: number;
  /** The user stopped it: its restart policy does not apply (`unless-stopped` also over a daemon restart). */
  stoppedByUser: boolean;
  /** Its log. */
  readonly folder: HostPath;
  /** Of one run: its specification, `hosts`, `hostname` and `resolv.conf`. There while it runs. */
  readonly bundle: HostPath;
  /** Output of its current or next run goes here first: attach subscribes before the start. */
  output: OutputHub;
  /** What the one who made it in this process adds to its runs. Not persisted: it is not for containers that stay. */
  readonly additions: RunAdditions | undefined;
  /** While it runs. */
  task: Task | undefined;
  /** Its network namespace, while it runs and has one of its own. Persisted, to be adopted. */
  sandbox: NetworkSandbox | undefined;
  readonly execs: Map<string, Exec>;
  /** Health checks' findings, when it has a health check. */
  health: Health | undefined;
  /** Resolves at the end of the current or next run; replaced by a fresh one at each end. */
  nextExit: PromiseWithResolvers<Ended>;
  /** Resolves when it is gone. */
  readonly removed: PromiseWithResolvers<Ended>;
}

/** Beyond what the definition says. */
export interface RunAdditions {
  readonly mounts: readonly SpecMount[];
  readonly disks: readonly DiskMount[];
  /** Called when the network namespace is there, before the first process runs. */
  readonly onNetwork: (netnsPath: HostPath) => Promise<void>;
  /** Called when the first process has started; it may have ended again. */
  readonly onStart: (task: Task) => void;
}

/** Where folders of containers are. */
export interface ContainerRoots {
  /** Those that are kept. */
  readonly root: HostPath;
  /** Those of runs, which nothing outlives: in memory, where the daemon's run root is. */
  readonly runRoot: HostPath;
}

export interface Exec {
  readonly id: string;
  readonly containerId: ContainerId;
  readonly config: ExecConfig;
  process: Process | undefined;
  exitCode: number | undefined;
  running: boolean;
}

export interface ExecConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly privileged: boolean;
  readonly detachKeys: string | undefined;
  readonly consoleSize: { readonly rows: number; readonly columns: number } | undefined;
}

export interface Health {
  status: 'starting' | 'healthy' | 'unhealthy';
  failingStreak: number;
  readonly log: { startNs: bigint; endNs: bigint; exitCode: number; output: string }[];
}

/** A program with its output attached, and all else as the container has it. */
export const attachedExec = (args: readonly string[], env: readonly string[] = []): ExecConfig => ({
  args,
  env,
  workingDir: undefined,
  user: undefined,
  tty: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  privileged: false,
  detachKeys: undefined,
  consoleSize: undefined,
});
