import { posix } from 'node:path';
import { SlipwayError } from '@slipway/base';
import type { Descriptor, Digest } from '@slipway/oci';
import {
  type AheadLayer,
  type ContentStore,
  decompressArchive,
  type Ingest,
  type Lease,
  type Store,
  sniffCompression,
  type TarEntry,
  TarParser,
} from '@slipway/store';
import { type ArchiveFiles, claimedDigest, normalizeEntryName } from './archive-layout.ts';

/** Files up to this size are documents, kept in memory until the archive is read; larger ones become blobs at once. */
const DOCUMENT_MAX_BYTES = 1024 * 1024;
/** All documents together; beyond, they become blobs as well. */
const DOCUMENTS_MAX_BYTES = 64 * 1024 * 1024;
const ENTRIES_MAX = 1_000_000;
const LINKS_MAX = 16;
/** An index or manifest that had to become a blob may be this large. */
const SPILLED_MAX_BYTES = 4 * 1024 * 1024;

type StoredFile =
  | { readonly bytes: Buffer }
  | { readonly digest: Digest; readonly sizeBytes: number; readonly ahead: AheadLayer | undefined };

export interface ArchiveReaderOptions {
  readonly store: Pick<Store, 'content' | 'unpackAhead'>;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /** Whether an image has this layer, so that it need not be unpacked. */
  readonly isUnpacked: (digest: Digest) => boolean;
  /** Told of each file that becomes a blob; what it returns is told how far it is. */
  readonly onBlob?: (name: string, sizeBytes: number) => (currentBytes: number) => void;
}

/** An image archive that was read once, as it came: large files are blobs of the store now. */
export class ArchiveContents implements ArchiveFiles, AsyncDisposable {
  readonly #content: ContentStore;
  readonly #lease: Lease;
  readonly #files = new Map<string, StoredFile>();
  readonly #links = new Map<string, string>();

  constructor(content: ContentStore, lease: Lease) {
    this.#content = content;
    this.#lease = lease;
  }

  /** A later file of the same name takes the earlier one's place. */
  async put(name: string, file: StoredFile): Promise<void> {
    await this.#drop(name);
    this.#files.set(name, file);
  }

  /** As `put`, for a link. */
  async link(name: string, target: string): Promise<void> {
    await this.#drop(name);
    this.#links.set(name, target);
  }

  async #drop(name: string): Promise<void> {
    const earlier = this.#files.get(name);
    this.#files.delete(name);
    this.#links.delete(name);
    if (earlier !== undefined && 'ahead' in earlier) await earlier.ahead?.[Symbol.asyncDispose]();
  }

  /** The layer that was begun to unpack while the file arrived, if it was. */
  ahead(name: string): AheadLayer | undefined {
    const file = this.#find(name);
    return file !== undefined && 'ahead' in file ? file.ahead : undefined;
  }

  /** Drops the layers that no image took. */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.#files.values()];
    await Promise.all(
      files.map((file) => ('ahead' in file ? file.ahead?.[Symbol.asyncDispose]() : undefined)),
    );
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  async read(name: string): Promise<Uint8Array> {
    const file = this.#get(name);
    if ('bytes' in file) return file.bytes;
    if (file.sizeBytes > SPILLED_MAX_BYTES) {
      throw new SlipwayError(
        'InvalidArgument',
        `${name} of the archive is too large: ${file.sizeBytes} bytes`,
      );
    }
    return await this.#content.read(file.digest, SPILLED_MAX_BYTES);
  }

  /** The file as a blob of the store, and whether it is compressed. @throws InvalidArgument when it is not there */
  async blob(name: string): Promise<{ digest: Digest; size: number; compression: 'none' | 'gzip' | 'zstd' }> {
    const file = this.#get(name);
    if ('bytes' in file) {
      const { digest, sizeBytes } = await this.#content.write(file.bytes);
      this.#lease.add({ blobs: [digest] });
      return { digest, size: sizeBytes, compression: sniffCompression(file.bytes) };
    }
    let compression: 'none' | 'gzip' | 'zstd' = 'none';
    for await (const head of this.#content.open(file.digest, { length: 8 }))
      compression = sniffCompression(head);
    return { digest: file.digest, size: file.sizeBytes, compression };
  }

  #get(name: string): StoredFile {
    const file = this.#find(name);
    if (file === undefined) {
      throw new SlipwayError(
        'InvalidArgument',
        `the archive names ${name}, but has no such file: it is incomplete`,
      );
    }
    return file;
  }

  /** Archives of old dockers link layers that images share. */
  #find(name: string): StoredFile | undefined {
    let at = name;
    for (let followed = 0; followed < LINKS_MAX; followed++) {
      const target = this.#links.get(at);
      if (target === undefined) return this.#files.get(at);
      at = target;
    }
    return undefined;
  }
}

/**
 * Reads an image archive as it arrives. A file whose name claims a digest is verified while it is written, and what may
 * be a layer is unpacked meanwhile, before the manifest at the archive's end tells.
 * @throws DataLoss for a truncated archive or a wrong digest; InvalidArgument for what is not a tar
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  options: ArchiveReaderOptions,
): Promise<ArchiveContents> {
  const contents = new ArchiveContents(options.store.content, options.lease);
  try {
    await readInto(contents, source, options);
    return contents;
  } catch (error) {
    await contents[Symbol.asyncDispose]();
    throw error;
  }
}

async function readInto(
  contents: ArchiveContents,
  source: AsyncIterable<Uint8Array>,
  { store, lease, signal, isUnpacked, onBlob }: ArchiveReaderOptions,
): Promise<void> {
  let documentsBytes = 0;
  let entries = 0;
  await using current = new CurrentFile();
  for await (const step of tarSteps(decompressArchive(source))) {
    signal.throwIfAborted();
    switch (step.kind) {
      case 'entry': {
        if (++entries > ENTRIES_MAX) {
          throw new SlipwayError(
            'InvalidArgument',
            `the archive has more than ${ENTRIES_MAX} files: it is no image archive`,
          );
        }
        const { entry } = step;
        const name = normalizeEntryName(entry.name.toString());
        if (entry.type === 'symlink') {
          await contents.link(
            name,
            normalizeEntryName(posix.join(posix.dirname(name), entry.linkName.toString())),
          );
        } else if (entry.type === 'hardlink') {
          await contents.link(name, normalizeEntryName(entry.linkName.toString()));
        } else if (entry.type === 'file') {
          if (entry.sparse !== undefined) {
            throw new SlipwayError(
              'InvalidArgument',
              `${name} of the archive is a sparse file, which no image archive has`,
            );
          }
          const isDocument =
            entry.sizeBytes <= DOCUMENT_MAX_BYTES && documentsBytes + entry.sizeBytes <= DOCUMENTS_MAX_BYTES;
          if (isDocument) {
            documentsBytes += entry.sizeBytes;
            current.beginDocument(name);
          } else {
            const digest = claimedDigest(name);
            const ingest = await store.content.ingest({ digest, sizeBytes: entry.sizeBytes });
            current.beginBlob(name, ingest, onBlob?.(name, entry.sizeBytes));
            if (digest === undefined || !isUnpacked(digest)) {
              current.unpackMeanwhile(store.unpackAhead(ingest.source()));
            }
          }
        }
        break;
      }
      case 'data':
        await current.write(step.bytes);
        break;
      case 'end':
        await current.end(contents, lease);
    }
  }
}

/** The file of the archive that is being read, if it is one that matters. */
class CurrentFile implements AsyncDisposable {
  #name: string | undefined;
  #chunks: Buffer[] = [];
  #ingest: Ingest | undefined;
  #ahead: AheadLayer | undefined;
  #onProgress: ((currentBytes: number) => void) | undefined;

  beginDocument(name: string): void {
    this.#name = name;
  }

  beginBlob(name: string, ingest: Ingest, onProgress: ((currentBytes: number) => void) | undefined): void {
    this.#name = name;
    this.#ingest = ingest;
    this.#onProgress = onProgress;
  }

  unpackMeanwhile(ahead: AheadLayer): void {
    this.#ahead = ahead;
  }

  async write(bytes: Buffer): Promise<void> {
    if (this.#ingest !== undefined) {
      await this.#ingest.write(bytes);
      this.#onProgress?.(this.#ingest.writtenBytes);
    } else if (this.#name !== undefined) this.#chunks.push(Buffer.from(bytes));
  }

  async end(contents: ArchiveContents, lease: Lease): Promise<void> {
    const name = this.#name;
    if (name === undefined) return;
    if (this.#ingest === undefined) {
      await contents.put(name, { bytes: Buffer.concat(this.#chunks) });
    } else {
      const { digest, sizeBytes } = await this.#ingest.commit();
      lease.add({ blobs: [digest] });
      await contents.put(name, { digest, sizeBytes, ahead: this.#ahead });
      this.#ahead = undefined;
    }
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ingest?.[Symbol.asyncDispose]();
    await this.#ahead?.[Symbol.asyncDispose]();
    this.#ahead = undefined;
    this.#name = undefined;
    this.#chunks = [];
    this.#ingest = undefined;
    this.#onProgress = undefined;
  }
}

type TarStep =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

/** What the parser finds, for a reader that must wait for the disk. `bytes` are valid until the next step is asked for. */
async function* tarSteps(source: AsyncIterable<Buffer>): AsyncGenerator<TarStep> {
  let steps: TarStep[] = [];
  const parser = new TarParser({
    entry: (entry) => steps.push({ kind: 'entry', entry }),
    data: (bytes) => steps.push({ kind: 'data', bytes }),
    endEntry: () => steps.push({ kind: 'end' }),
  });
  for await (const chunk of source) {
    parser.push(chunk);
    const found = steps;
    steps = [];
    yield* found;
  }
  parser.end();
}

/** The media type of a layer that came without one. */
export const layerDescriptor = ({
  digest,
  size,
  compression,
}: {
  digest: Digest;
  size: number;
  compression: 'none' | 'gzip' | 'zstd';
}): Descriptor => ({
  mediaType: `application/vnd.oci.image.layer.v1.tar${compression === 'none' ? '' : `+${compression}`}`,
  digest,
  size,
});
