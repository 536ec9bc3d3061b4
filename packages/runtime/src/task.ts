import type { HostPath } from '@slipway/base';
import type { OciLinuxResources, OciProcess, OciSpec } from './spec/oci-spec.ts';

/** An overlayfs stack to mount as the root file system; `lower` is top first. As `store`'s snapshots give it. */
export interface Rootfs {
  readonly lower: readonly string[];
  readonly upper: string | undefined;
  readonly work: string | undefined;
}

/** How a process ended. */
export interface ExitStatus {
  /** As a shell tells it: the code, or 128 + the signal's number. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly exitedAtNs: bigint;
  /** Of a container's first process: the most memory that all its processes used; 0 or undefined when nobody saw it. */
  readonly memoryPeakBytes?: number;
}

/** Where the container's output is kept. */
export interface LogFile {
  /** json-file format; rotated files are `path.1`, `path.2`, … */
  readonly path: HostPath;
  /** A file larger than this is rotated; undefined: never. */
  readonly maxSizeBytes: number | undefined;
  readonly maxFiles: number;
}

export interface SandboxOptions {
  readonly id: string;
  /**
   * Folder of one run, made by the caller and best in memory: `config.json`, `exit.json` and the pid file are written here.
   */
  readonly bundle: HostPath;
  /** A folder on disk where the end is recorded when no daemon is there to hear of it; the bundle by default. */
  readonly exitFolder?: HostPath;
  readonly rootfs: Rootfs;
  /** Bind mounts put over the rootfs inside the sandbox before it is used, for `cp` into volumes of a stopped container. */
  readonly binds?: readonly { readonly source: HostPath; readonly target: string }[];
  /**
   * File systems of its own, each a copy of a file with an ext4 file system (`slipway-shim disk FILE` makes one ready),
   * mounted without set-user-ids and devices. They go with the container.
   */
  readonly disks?: readonly DiskMount[];
  /** What a container mounts below these shows on the host, and the other way: the spec's mounts name their `path`. */
  readonly shared?: readonly SharedTree[];
}

export interface SharedTree {
  /** A file or folder of the host. */
  readonly source: HostPath;
  /** Where the sandbox has it: a path in the bundle at which nothing is. */
  readonly path: HostPath;
}

export interface DiskMount {
  readonly template: HostPath;
  readonly target: string;
}

/**
 * A shim with the root file system mounted in a mount namespace of its own, and no process yet.
 * When it is disposed, or the daemon dies, before `start`, everything is undone.
 */
export interface Sandbox extends AsyncDisposable {
  readonly id: string;
  /** The mounted root file system, through the shim's namespace: `/proc/<shim>/root/…`. Resolve below it with `openInRoot` only. */
  readonly rootfs: HostPath;
  /**
   * Runs the container's first process. From here the shim outlives the daemon.
   * @throws NotFound (reason EXEC_NOT_FOUND) when the program is not in the image, PermissionDenied (reason
   * EXEC_NOT_EXECUTABLE) when it cannot be executed, otherwise Internal, each with the runtime's own words.
   */
  start(options: StartOptions): Promise<Task>;
}

export interface StartOptions {
  readonly spec: OciSpec;
  /** A runtime's name as configured: `crun`, `runc`, `runsc`, … */
  readonly runtime: string;
  readonly stdin: boolean;
  /** Undefined: output is not kept (log driver `none`). */
  readonly log: LogFile | undefined;
  /** Attached before the first byte is written, so that nothing is missed. */
  readonly attach: readonly AttachSink[];
}

/** One chunk of output. With a terminal everything is `stdout`. */
export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

/** Gets the output of a process; a sink that answers a promise slows the process down until it resolves. */
export interface AttachSink {
  write(chunk: OutputChunk): void | Promise<void>;
  /** Output is complete (every byte before this call was delivered), or the sink was detached. */
  end(): void;
}

/** A process whose standard streams the shim holds: a container's first one or an exec'd one. */
export interface Process {
  readonly pid: number;
  /** Resolves when the process has ended *and* its output has been delivered. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Resolves when there is room again. Bytes for a process without stdin are dropped. */
  writeStdin(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  /** @throws FailedPrecondition when it has no terminal. */
  resize(size: { readonly rows: number; readonly columns: number }): Promise<void>;
  /** Output from now on. Disposing detaches. */
  attach(sink: AttachSink): Disposable;
  /** @throws NotFound when it has ended. */
  signal(signal: number): Promise<void>;
}

export interface ExecOptions {
  readonly execId: string;
  readonly process: OciProcess;
  readonly stdin: boolean;
  readonly attach: readonly AttachSink[];
}

/** A running container. Adopted again after the daemon was restarted. */
export interface Task extends Process {
  readonly id: string;
  readonly runtime: string;
  readonly startedAtNs: bigint;
  /**
   * The container's files as its processes see them, volumes included. Resolve below it with `openInRoot` only.
   * @throws Unavailable when the runtime does not tell
   */
  readonly root: HostPath;
  /** Emits each time the kernel's OOM killer struck inside this container while it ran. */
  onOom(listener: () => void): Disposable;
  /** @throws like `Sandbox.start`. */
  exec(options: ExecOptions): Promise<Process>;
  /** Signals every process in the container. */
  signalAll(signal: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Puts folders into the container while it runs, read-only and without devices or set-user-ids, in one go.
   * @throws NotImplemented for a runtime whose containers cannot be entered; FailedPrecondition when it does not run;
   * Internal with the kernel's words
   */
  graft(options: GraftOptions): Promise<void>;
  /** Resolves when all that its processes have written up to now was delivered; at once when it has ended. */
  flush(): Promise<void>;
  /** Changes limits in the kernel at once, without the runtime, which keeps thinking of the old ones. */
  limit(limits: TaskLimits): void;
  /** A look at the most memory that it used since the last reset, of all its processes. */
  memoryPeak(): MemoryPeak;
  update(resources: OciLinuxResources): Promise<void>;
  /** Process ids on the host. */
  pids(): Promise<number[]>;
  /** Raw cgroup accounting. */
  metrics(): Promise<TaskMetrics>;
  /** After `exited`: the runtime's state, cgroups, mounts and the shim are gone when this resolves. Idempotent. */
  delete(): Promise<void>;
}

export interface GraftOptions {
  /** Sources are folders of the host, topmost first; targets are folders of the container. */
  readonly mounts: readonly { readonly target: string; readonly sources: readonly HostPath[] }[];
  /** The new size of a tmpfs at `/tmp`. */
  readonly tmpSizeBytes?: number | undefined;
  /** The template of the disk that takes the place of the one at `/tmp`. */
  readonly tmpTemplate?: HostPath | undefined;
}

/** Undefined ones stay as they are. */
export interface TaskLimits {
  /** Swap is not given beyond it. */
  readonly memoryBytes?: number | undefined;
  /** Time on processors in each period, of which as much again is saved up while nothing runs; `max`: no limit. */
  readonly cpu?: { readonly quotaUs: number; readonly periodUs: number } | 'max' | undefined;
}

/** Open until it is disposed. */
export interface MemoryPeak extends Disposable {
  readBytes(): number;
  /** From now on. Kernels that cannot go on counting. */
  reset(): void;
}

/** Cgroup accounting in one form for v1 and v2. Fields a host does not account are undefined. */
export interface TaskMetrics {
  readonly readAtNs: bigint;
  readonly cpu: {
    readonly usageNs: number;
    readonly userNs: number;
    readonly systemNs: number;
    readonly perCpuNs: readonly number[] | undefined;
    readonly throttling: {
      readonly periods: number;
      readonly throttledPeriods: number;
      readonly throttledNs: number;
    };
  };
  readonly memory: {
    readonly usageBytes: number;
    readonly maxUsageBytes: number | undefined;
    readonly limitBytes: number | undefined;
    readonly failCount: number | undefined;
    readonly stats: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number | undefined };
  /** `op` is `read` or `write` (v1 adds others, lower-case). */
  readonly blkio: readonly { major: number; minor: number; op: string; bytes: number; operations: number }[];
}

/** Everything that runs processes, behind one door. */
export interface Runtime extends AsyncDisposable {
  /** The usable runtimes by name; `defaultName` was proved by running a container. */
  readonly runtimes: ReadonlyMap<string, { readonly path: string; readonly version: string }>;
  readonly defaultName: string;
  /** Mounts a root file system in a shim. A start is `open` then `start`; `cp`, `export` and `commit` of a stopped container are `open` and dispose. */
  open(options: SandboxOptions, context: { signal?: AbortSignal }): Promise<Sandbox>;
  /**
   * Finds a container again after the daemon was restarted: a task that runs, or how it ended meanwhile, or undefined when
   * nothing is known (the machine was restarted).
   */
  adopt(
    options: Pick<SandboxOptions, 'id' | 'bundle' | 'exitFolder'>,
  ): Promise<{ task: Task } | { exit: ExitStatus } | undefined>;
  /** Ends and removes what belongs to no id of `keep`: shims, runtime state and cgroups left by a crash. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}
