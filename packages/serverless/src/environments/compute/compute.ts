import type { Duplex } from 'node:stream';
import type { HostPath } from '@slipway/base';

/**
 * Where sandboxes run: prepare an image, start a sandbox, reach it, stop it, watch it. What is above never assumes that a
 * sandbox is on this host.
 */
export interface Compute {
  /** Starts a process in a sandbox of its own. @throws as the engine says; nothing is left behind */
  start(request: SandboxRequest): Promise<Sandbox>;
  /** Whether the folders of a sandbox can be put in place while it runs. */
  canGraft(isolation: string | undefined): boolean;
  /** Ends what a daemon that was killed has left. */
  removeLeftOvers(): Promise<void>;
}

export interface SandboxRequest {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What the engine's image store resolves. */
  readonly image: string;
  /** Undefined: the image's own. */
  readonly entryPoint: readonly string[] | undefined;
  readonly command: readonly string[] | undefined;
  readonly workingDirectory: string | undefined;
  readonly variables: Readonly<Record<string, string>>;
  readonly mounts: readonly FolderMount[];
  /** Undefined: not known yet. */
  readonly tmpMb: number | undefined;
  /** Undefined: not limited yet. */
  readonly memoryMb: number | undefined;
  readonly network: 'outbound' | 'none';
  /** The OCI runtime; undefined for the engine's default. */
  readonly isolation: string | undefined;
  /** Takes each connection that one of its processes opens to `RUNTIME_API_PORT`, from before the first process runs. */
  readonly onConnection: (connection: Duplex) => void;
  readonly output: OutputSink;
}

/** The port of 127.0.0.1 inside a sandbox that leads to the daemon. */
export const RUNTIME_API_PORT = 9001;

/** A folder of the sandbox, read-only, made of one or more folders of the host, topmost first. */
export interface FolderMount {
  readonly target: string;
  readonly sources: readonly HostPath[];
}

/** Takes what a process writes; a promise slows it down. */
export interface OutputSink {
  write(chunk: {
    readonly stream: 'stdout' | 'stderr';
    readonly bytes: Uint8Array;
  }): Promise<void> | undefined;
}

/** Disposing kills it and removes all that it holds. */
export interface Sandbox extends AsyncDisposable {
  readonly id: string;
  /** Resolves when its first process has ended and all that it wrote was delivered. Never rejects. */
  readonly exited: Promise<SandboxExit>;
  /**
   * Puts folders in place, and sets what was left open when it was started without a function.
   * @throws Unavailable when it cannot become what is asked for, and one that is started for that can
   */
  complete(options: CompleteOptions): Promise<void>;
  /** A share of one processor for each 1,769 MB, or all that there is, as during initialisation. */
  limitCpu(limit: 'by-memory' | 'none'): void;
  /** Stops all processes, without telling them. */
  kill(): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Resolves when all that its processes wrote up to now was delivered. */
  flush(): Promise<void>;
  /** The most memory that it used since `resetMemoryPeak`, of all its processes, as its limit counts. */
  memoryPeakBytes(): number;
  resetMemoryPeak(): void;
  /** A connection to a port of 127.0.0.1 inside the sandbox. Whether somebody listens there is seen by using it. */
  connect(port: number): Promise<Duplex>;
  /** Names in a folder of the sandbox; none when it is not there. */
  list(folder: string): Promise<readonly string[]>;
  /** Runs another process in it. */
  exec(
    options: { readonly args: readonly string[]; readonly variables: Readonly<Record<string, string>> },
    output: OutputSink,
  ): Promise<{ readonly exited: Promise<SandboxExit> }>;
}

export interface CompleteOptions {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly FolderMount[];
  readonly tmpMb: number;
  readonly memoryMb: number;
}

export interface SandboxExit {
  /** As a shell tells it: the code, or 128 and the signal's number. */
  readonly exitCode: number;
  /** The kernel killed a process of it for the memory limit. */
  readonly oomKilled: boolean;
  /** The most memory that it used, in all its life. */
  readonly memoryPeakBytes?: number;
}
