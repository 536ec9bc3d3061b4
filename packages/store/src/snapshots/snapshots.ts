import type { HostPath } from '@slipway/base';

/** `active` is writable, `view` is not, `committed` can be a parent and never changes. */
export type SnapshotKind = 'active' | 'view' | 'committed';

export interface SnapshotInfo {
  /** A chainID for a committed layer; a container's id (or a build step's) for an active one. */
  readonly key: string;
  readonly parent: string | undefined;
  readonly kind: SnapshotKind;
  readonly createdAtMs: number;
}

/** Bytes on disk and inodes. */
export interface SnapshotUsage {
  readonly sizeBytes: number;
  readonly inodes: number;
}

export interface CommitOptions {
  readonly usage?: SnapshotUsage | undefined;
  readonly parent?: string | undefined;
}

/** An overlayfs stack, not yet mounted. With no upper it is read-only. `lower` is top first. */
export interface RootfsMount {
  readonly lower: readonly HostPath[];
  readonly upper: HostPath | undefined;
  readonly work: HostPath | undefined;
}

/**
 * Layers of file systems. They return what to mount and never mount.
 * @see containerd core/snapshots/snapshotter.go
 */
export interface Snapshotter {
  /** @throws NotFound */
  stat(key: string): Promise<SnapshotInfo>;
  find(key: string): Promise<SnapshotInfo | undefined>;
  list(): AsyncIterable<SnapshotInfo>;
  /** A writable snapshot on top of `parent`, which must be committed. @throws AlreadyExists, NotFound */
  prepare(key: string, parent: string | undefined): Promise<RootfsMount>;
  /** A read-only snapshot of `parent`. @throws AlreadyExists, NotFound */
  view(key: string, parent: string): Promise<RootfsMount>;
  /**
   * Makes an active snapshot a committed one with a name of its own. Who knows its usage says it and spares a walk; who
   * prepared it on nothing, to fill it while its parent was filled too, says the parent now.
   * @throws NotFound, AlreadyExists
   */
  commit(name: string, key: string, options?: CommitOptions): Promise<void>;
  /** @throws NotFound */
  mounts(key: string): Promise<RootfsMount>;
  /** The folder that holds what this snapshot adds to its parent (overlayfs form: whiteouts are char devices 0:0). */
  upperPath(key: string): Promise<HostPath>;
  /** Bytes on disk and inodes of what this snapshot adds. */
  usage(key: string): Promise<SnapshotUsage>;
  /** @throws NotFound; FailedPrecondition when it has children. The record goes first, then the folder. */
  remove(key: string): Promise<void>;
}
