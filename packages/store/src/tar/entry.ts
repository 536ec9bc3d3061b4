/** What an entry of an archive is. `unknown` keeps the type byte for the message. */
export type TarEntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'unknown';

/** One member of an archive, all extensions applied. Names are bytes as they are in the archive. */
export interface TarEntry {
  readonly type: TarEntryType;
  readonly name: Buffer;
  /** Where a symlink points to; the name of the entry a hard link shares its inode with. */
  readonly linkName: Buffer;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The file's length, holes included. */
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint | undefined;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** The parts of a sparse file that hold data, in order; undefined for a file without holes. */
  readonly sparse: readonly SparseSegment[] | undefined;
  readonly typeFlag: number;
}

export interface SparseSegment {
  readonly offset: number;
  readonly length: number;
}

export const BLOCK_BYTES = 512;

/** Bytes that fill the last block of a body of `sizeBytes`. */
export const paddingOf = (sizeBytes: number): number =>
  (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
