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

/** What the key of a layer begins with that is being made: nobody goes on with it after a crash. */
export const UNFINISHED_PREFIX = 'unpack-';

/** How a layer is kept: as the files of a folder, or as its archive with an image (EROFS) that says where each file is. */
export type LayerForm = 'files' | 'image';

export interface CommitOptions {
  /** What its folder holds; `files` by default. */
  readonly form?: LayerForm | undefined;
  readonly usage?: SnapshotUsage | undefined;
  readonly parent?: string | undefined;
}

/** An overlayfs stack, not yet mounted. With no upper it is read-only. `lower` is top first, to be read as long as we run. */
export interface RootfsMount {
  readonly lower: readonly HostPath[];
  readonly upper: HostPath | undefined;
  readonly work: HostPath | undefined;
}

/**
 * Layers of file systems. They return what to mount and mount nothing that anybody else sees.
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
  /** The folder that shows what this snapshot adds to its parent (overlayfs form: whiteouts are char devices 0:0). */
  upperPath(key: string): Promise<HostPath>;
  /** Where a layer is to be made that becomes this active snapshot: in its folder, in this form where it can be. */
  layerPlace(key: string): Promise<{ readonly folder: HostPath; readonly form: LayerForm }>;
  /**
   * Commits, on top of `parent`, what the committed snapshot `source` adds to its own: with the same bytes on disk. Answers
   * false, and does nothing, for a layer that is no image.
   * @throws NotFound, AlreadyExists
   */
  linkImage(name: string, source: string, parent: string | undefined): Promise<boolean>;
  /** Bytes on disk and inodes of what this snapshot adds. */
  usage(key: string): Promise<SnapshotUsage>;
  /** @throws NotFound; FailedPrecondition when it has children. The record goes first, then the folder. */
  remove(key: string): Promise<void>;
}
