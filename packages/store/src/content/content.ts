import type { HostPath } from '@slipway/base';
import type { Digest } from '@slipway/oci';
import type { BlobSource } from './blob-source.ts';

export interface BlobInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
}

/** What an ingest must turn out to be; checked at commit. */
export interface Expected {
  readonly digest?: Digest | undefined;
  readonly sizeBytes?: number | undefined;
}

/**
 * Immutable blobs named by their digest.
 * @see containerd core/content/content.go; OCI image layout, `blobs/`.
 */
export interface ContentStore {
  /** @throws NotFound when the store has no such blob. */
  info(digest: Digest): Promise<BlobInfo>;
  find(digest: Digest): Promise<BlobInfo | undefined>;
  list(): AsyncIterable<BlobInfo>;
  /** The file that holds the blob, for readers that map or seek. Never write to it. @throws NotFound */
  path(digest: Digest): Promise<HostPath>;
  /** The blob's bytes from `offset`, at most `length` of them. @throws NotFound */
  open(digest: Digest, range?: { offset?: number; length?: number }): AsyncIterable<Uint8Array>;
  /** The whole blob, which must be at most `maxBytes` large. @throws NotFound, ResourceExhausted */
  read(digest: Digest, maxBytes?: number): Promise<Buffer>;
  /** Writes a whole small blob; does nothing when it is there. */
  write(bytes: Uint8Array): Promise<BlobInfo>;
  /**
   * Starts to write a blob. Until `commit` nothing of it can be seen; disposing an uncommitted ingest removes it, unless it
   * has a key ([A-Za-z0-9._-], at most 128): then it stays, past the process's end too, and the next ingest with that key goes
   * on after the bytes that are there.
   * @throws Conflict while an ingest with that key is open
   */
  ingest(expected?: Expected, options?: { readonly key?: string | undefined }): Promise<Ingest>;
  /** The ingests that have a key. */
  listIngests(): AsyncIterable<IngestInfo>;
  /** Removes an ingest that has a key and that nobody has open; nothing when there is none. @throws Conflict while it is open */
  deleteIngest(key: string): Promise<void>;
  /** @throws NotFound */
  delete(digest: Digest): Promise<void>;
  /** The blob as what an unpacker reads. @throws NotFound */
  source(digest: Digest): Promise<BlobSource>;
}

/** An ingest that has a key. */
export interface IngestInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly updatedAtMs: number;
}

/** A blob while it is written. Hashing goes with the writing. */
export interface Ingest extends AsyncDisposable {
  readonly path: HostPath;
  /** Bytes taken so far. */
  readonly writtenBytes: number;
  /** The blob as what an unpacker reads while it is still being written. Dispose it when read. */
  source(): BlobSource;
  /** Takes a copy of the chunk. It is written in batches, and the disk's error may come later. */
  write(chunk: Uint8Array): Promise<void>;
  /** Resolves once all that was taken would survive the process's death. */
  flush(): Promise<void>;
  /** Gives it up: what was written is removed, also where it has a key. */
  abandon(): Promise<void>;
  /**
   * Verifies size and digest, fsyncs, renames into place, fsyncs the folder. Idempotent for content that is there.
   * @throws DataLoss when size or digest is not what was expected, naming both.
   */
  commit(expected?: Expected): Promise<BlobInfo>;
}
