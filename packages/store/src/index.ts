export {
  type Collected,
  type CollectRequest,
  documentReferences,
  type References,
  type Roots,
} from './collect/collect-garbage.ts';
export { type BlobSource, openBlobSource } from './content/blob-source.ts';
export type * from './content/content.ts';
export { openContentStore } from './content/file-content-store.ts';
export { type Database, openDatabase } from './database/database.ts';
export { type GroupCommit, groupCommit } from './database/group-commit.ts';
export { type Lease, type LeasedResources, type Leases, openLeases } from './leases/leases.ts';
export { removeTree } from './remove-tree.ts';
export { openOverlaySnapshotter } from './snapshots/overlay-snapshotter.ts';
export type * from './snapshots/snapshots.ts';
export { measureTree } from './snapshots/usage.ts';
export { openStore, type Store, type StoreOptions } from './store.ts';
export * as syscalls from './syscalls.ts';
export { openInRoot } from './syscalls.ts';
export type { SparseSegment, TarEntry, TarEntryType } from './tar/entry.ts';
export { type PackOptions, packDirectory } from './tar/pack-directory.ts';
export { TarParser, type TarSink } from './tar/parser.ts';
export { readTar, type TarItem } from './tar/reader.ts';
export {
  formatTarHeader,
  type NewTarEntry,
  TAR_END,
  tarPadding,
  type WritableItem,
  writeTar,
} from './tar/writer.ts';
export { decompress } from './unpack/decompress.ts';
export { decompressArchive } from './unpack/decompress-archive.ts';
export { LayerWriter, type LayerWriterOptions } from './unpack/layer-writer.ts';
export { sniffCompression } from './unpack/sniff.ts';
export type { AheadLayer } from './unpack/unpack-ahead.ts';
export type { UnpackProgress, UnpackRequest } from './unpack/unpack-image.ts';
