import type { HostPath } from '@slipway/base';
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, Platform } from '@slipway/oci';
import type { AttachSink, Process } from '@slipway/runtime';
import type { Lease } from '@slipway/store';
import type { Vertex } from './graph.ts';

/** What only the client of a build can give. */
export interface BuildSession {
  /**
   * Brings the files of a local source into `folder`, which holds what an earlier build of the same client brought: only
   * what differs is sent, and what the client has no longer goes. Files there may have other names elsewhere: one that
   * differs is replaced, never written into.
   */
  syncLocal(
    source: {
      readonly name: string;
      readonly excludes: readonly string[];
      readonly followPaths: readonly string[];
    },
    folder: HostPath,
    call: { readonly signal: AbortSignal; readonly onProgress?: (bytes: number) => void },
  ): Promise<void>;
  /** Names the client's copy of a local source, so that the next build finds the folder; undefined: nothing is kept. */
  readonly sharedKey: string | undefined;
  /** Undefined when the client has no such secret. */
  secret(id: string, call: { readonly signal: AbortSignal }): Promise<Buffer | undefined>;
  /** A Unix socket that reaches the client's ssh agent, until disposed. */
  sshAgent(
    id: string,
    call: { readonly signal: AbortSignal },
  ): Promise<(AsyncDisposable & { path: HostPath }) | undefined>;
  /** Of a registry's host. */
  credentials(
    domain: string,
  ): Promise<{ readonly username: string; readonly password: string; identityToken?: string } | undefined>;
}

/** What happens in a build. A vertex is named by the digest of its operation and inputs. */
export type BuildEvent =
  | {
      readonly kind: 'vertex';
      readonly digest: Digest;
      readonly title: string;
      readonly inputs: readonly Digest[];
      readonly startedAtMs: number | undefined;
      readonly completedAtMs: number | undefined;
      readonly cached: boolean;
      readonly error: string | undefined;
    }
  | {
      readonly kind: 'log';
      readonly digest: Digest;
      readonly stream: 'stdout' | 'stderr';
      readonly bytes: Uint8Array;
      readonly atMs: number;
    }
  | {
      readonly kind: 'progress';
      readonly digest: Digest;
      /** What is moved: `transferring context`, a layer's digest. */
      readonly name: string;
      readonly currentBytes: number;
      readonly totalBytes: number | undefined;
      readonly startedAtMs: number;
      readonly completedAtMs: number | undefined;
    };

export interface BuiltLayer {
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  /** The layer's blob in the content store: the image's own, or an uncompressed tar that was made of the snapshot. */
  readonly blob: Descriptor;
  /** The vertex that made it; undefined for those of a base image. */
  readonly madeBy: Digest | undefined;
}

/** A file system that a vertex came to: its layers, bottom to top, each a committed snapshot named by its chainID. */
export interface BuildResult {
  readonly layers: readonly BuiltLayer[];
  /** Keeps the result from garbage collection. */
  readonly lease: Lease;
  /** What other builders can take over of it: the steps of its own layers, or (`max`) all that were looked at for it. */
  exportCache(mode: CacheMode): Promise<readonly ExportedStep[]>;
}

export type CacheMode = 'min' | 'max';

/** A step's result as it goes from one builder to another. */
export interface PortableResult {
  /** Bottom to top; those of the image that it stands on are among them. */
  readonly layers: readonly BuiltLayer[];
  readonly description: string;
  /** Of the layer that it added; 0 where it added none. */
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** What another builder has made. Its layers come here when they are wanted. */
export interface CacheImport {
  find(key: string): PortableResult | undefined;
  openBlob(
    blob: Descriptor,
    options: { readonly offset?: number; readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}

export interface ExportedStep extends PortableResult {
  /** Under which it is found. */
  readonly keys: readonly string[];
  /** Who has those of its blobs that are not here. */
  readonly from: CacheImport | undefined;
  /** The steps that it takes, by their place among all; those below come first. */
  readonly inputs: readonly number[];
}

/** A base image as the plan and the solver need it. */
export interface BaseImage {
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly diffId: DiffId;
    readonly chainId: ChainId;
    readonly blob: Descriptor;
  }[];
}

/** What the solver stands on beside the store and the runtime. The engine gives it. */
export interface BuildHost {
  /** The image's manifest and configuration; asks the registry when it is not here, or when `pull` is set. */
  resolveImage(
    reference: string,
    options: { platform: Platform; pull: boolean; session: BuildSession; signal: AbortSignal },
  ): Promise<Pick<BaseImage, 'manifest' | 'config'>>;
  /** Brings its layers here, unpacked. */
  fetchImage(
    reference: string,
    manifest: Descriptor,
    options: {
      platform: Platform;
      session: BuildSession;
      signal: AbortSignal;
      onProgress: (event: { id: string; currentBytes: number; totalBytes: number; done: boolean }) => void;
    },
  ): Promise<BaseImage>;
  /** A network namespace with its resolver file, as containers of the default network have it. */
  openNetwork(options: { signal: AbortSignal }): Promise<
    AsyncDisposable & {
      readonly namespacePath: HostPath;
      readonly resolvConf: string;
      readonly hosts: string;
    }
  >;
}

export interface SolveOptions {
  readonly session: BuildSession;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
  /** Looked at, in this order, for what is not here. */
  readonly cacheImports?: readonly CacheImport[] | undefined;
}

/** One result of the build cache, as `builder du` shows it. */
export interface CacheRecord {
  readonly id: string;
  readonly parents: readonly string[];
  readonly type: 'regular' | 'source.local' | 'exec.cachemount' | 'internal';
  readonly description: string;
  readonly inUse: boolean;
  readonly shared: boolean;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | undefined;
  readonly usageCount: number;
}

/** A step that failed, as it is kept to be looked into. */
export interface FailedStepInfo {
  readonly id: string;
  readonly title: string;
  readonly failedAtMs: number;
  /** What it had written. */
  readonly sizeBytes: number;
  /** Whether somebody is in it. */
  readonly isOpen: boolean;
  /** Of the last command that was run in it. */
  readonly lastExitCode: number | undefined;
}

/** A command to run where a step failed. */
export interface DebugOptions {
  /** Empty for the step's own shell. */
  readonly args: readonly string[];
  readonly terminal: boolean;
  readonly stdin: boolean;
  /** In place of those that the build's client gave. */
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly attach: AttachSink;
  readonly signal: AbortSignal;
}

/** The command while it runs. Disposing ends it. */
export interface DebugSession extends AsyncDisposable {
  readonly process: Process;
  /** Its exit code. */
  readonly exited: Promise<number>;
}

export interface Solver extends AsyncDisposable {
  /**
   * Makes what `vertex` stands for. Vertices that do not need each other run side by side; one that another solve is making
   * is shared; one that the cache knows is not run. When the signal aborts nothing of what was under way stays.
   * @throws BuildFailed (SlipwayError Internal, reason `BUILD_STEP_FAILED`) in docker's words with the exit code
   */
  solve(vertex: Vertex, options: SolveOptions): Promise<BuildResult>;
  /** Several at once, of which each part is made once. The results share a lease. @throws as `solve`, when any fails */
  solveAll(vertices: readonly Vertex[], options: SolveOptions): Promise<BuildResult[]>;
  /** The last steps that failed, the newest first. */
  listFailedSteps(): Promise<readonly FailedStepInfo[]>;
  /** @see openDebugSession */
  debug(id: string, options: DebugOptions): Promise<DebugSession>;
  /** @throws NotFound; Conflict while somebody is in it */
  removeFailedStep(id: string): Promise<void>;
  listCache(): Promise<readonly CacheRecord[]>;
  /** Removes results that nothing uses, those used last longest ago first. */
  prune(options: {
    readonly all: boolean;
    readonly unusedForMs?: number;
    readonly keepBytes?: number;
    readonly ids?: readonly string[];
  }): Promise<{ readonly removed: readonly CacheRecord[]; readonly freedBytes: number }>;
  /** What the store must keep for the cache. */
  roots(): { readonly blobs: readonly Digest[]; readonly snapshots: readonly string[] };
}
