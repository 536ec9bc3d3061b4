import { chmod, type FileHandle, mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32, inflateRawSync } from 'node:zlib';
import { collectBytes, errorMessage, mapConcurrent } from '@slipway/base';
import { syscalls } from '@slipway/store';
import { type Entry, fromFdPromise, type ZipFile } from 'yauzl';
import { BadZip, checkLinks, type PlannedEntry, planZip, type ZipEntry, type ZipLimits } from './zip-plan.ts';

/** Who made the entry, in the high byte of the version: those that write `st_mode`. @see APPNOTE.TXT 4.4.2 */
const UNIX_MAKERS = new Set([3, 19]);
const LONGEST_TARGET = 4096;
const OPEN_AT_ONCE = 8;
/** Of folders that the zip does not name. */
const FOLDER_MODE = 0o755;
/** Entries up to this are inflated in one call. */
const AT_ONCE_BYTES = 1 << 20;
/** With more, the whole file system is brought to the disk at once. */
const SYNCED_ONE_BY_ONE = 32;

/** A zip whose directory was read and checked. */
export interface ReadZip extends AsyncDisposable {
  readonly plan: ReadonlyMap<string, PlannedEntry>;
  /** Of all that is written. */
  readonly unzippedBytes: number;
}

interface OpenZip extends ReadZip {
  readonly file: FileHandle;
  readonly zip: ZipFile;
  readonly entries: readonly Entry[];
}

/** Reads and checks what a zip says it holds. @throws BadZip, ZipTooLarge */
export async function readZip(path: string, limits: ZipLimits): Promise<ReadZip> {
  return await openZip(path, limits);
}

async function openZip(path: string, limits: ZipLimits): Promise<OpenZip> {
  const file = await open(path, 'r');
  try {
    const zip = await fromFdPromise(file.fd, { lazyEntries: true, autoClose: false }).catch(asBadZip);
    const entries = await readEntries(zip, limits.entries);
    const plan = planZip(entries.map(toZipEntry), limits);
    let unzippedBytes = 0;
    for (const { sizeBytes } of plan.values()) unzippedBytes += sizeBytes;
    return { file, zip, entries, plan, unzippedBytes, [Symbol.asyncDispose]: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function asBadZip(cause: unknown): never {
  throw new BadZip(errorMessage(cause), { cause });
}

/** The central directory. @throws BadZip, also for more than `most` */
async function readEntries(zip: ZipFile, most: number): Promise<Entry[]> {
  if (zip.entryCount > most) throw new BadZip(`it has ${zip.entryCount} entries, more than ${most}`);
  return await Array.fromAsync(zip.eachEntry()).catch(asBadZip);
}

const toZipEntry = (entry: Entry): ZipEntry => ({
  name: entry.fileName,
  unixMode: UNIX_MAKERS.has(entry.versionMadeBy >>> 8) ? entry.externalFileAttributes >>> 16 : 0,
  packedBytes: entry.compressedSize,
  sizeBytes: entry.uncompressedSize,
  isEncrypted: entry.isEncrypted(),
  method: entry.compressionMethod,
});

/**
 * Unpacks into a folder that is made, and brings everything to the disk. What it wrote before it failed is the caller's to
 * remove.
 * @throws BadZip, ZipTooLarge
 */
export async function unzip(path: string, folder: string, limits: ZipLimits): Promise<void> {
  await using opened = await openZip(path, limits);
  const { plan } = opened;
  const targets = await readTargets(opened);
  checkLinks(targets);
  await mkdir(folder);
  const folders = foldersOf(plan);
  for (const name of folders) await mkdir(join(folder, name));
  const files = [...plan.values()].filter(({ kind }) => kind === 'file');
  await writeFiles(opened, files, folder);
  for (const [name, target] of targets) await symlink(target, join(folder, name));
  // Permissions last, the deepest first: a folder may forbid what is written into it.
  for (const name of folders.toReversed()) {
    await chmod(join(folder, name), plan.get(name)?.mode ?? FOLDER_MODE);
  }
  await chmod(folder, FOLDER_MODE);
  if (plan.size > SYNCED_ONE_BY_ONE) {
    await withOpen(folder, (handle) => syscalls.syncFileSystem(handle.fd));
    return;
  }
  for (const name of [...files.map((file) => file.path), ...folders, '.']) {
    await withOpen(join(folder, name), (handle) => handle.sync());
  }
}

/** Where links lead to. @throws BadZip */
async function readTargets(opened: OpenZip): Promise<Map<string, string>> {
  const targets = new Map<string, string>();
  for (const planned of opened.plan.values()) {
    if (planned.kind !== 'link') continue;
    const bytes = await collectBytes(readEntry(opened, planned), LONGEST_TARGET);
    targets.set(planned.path, bytes.toString());
  }
  return targets;
}

/** Every folder that there must be, above before below. */
function foldersOf(plan: ReadonlyMap<string, PlannedEntry>): string[] {
  const folders = new Set<string>();
  const add = (path: string): void => {
    if (path === '.' || folders.has(path)) return;
    add(dirname(path));
    folders.add(path);
  };
  for (const { path, kind } of plan.values()) add(kind === 'folder' ? path : dirname(path));
  return [...folders];
}

/** Ends when nothing is written any more, also when one of them fails. */
async function writeFiles(opened: OpenZip, files: readonly PlannedEntry[], folder: string): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  await mapConcurrent(files, OPEN_AT_ONCE, async (file) => {
    if (failure !== undefined) return;
    try {
      await writeFile(opened, file, join(folder, file.path));
    } catch (error) {
      failure ??= { error };
    }
  });
  if (failure !== undefined) throw failure.error;
}

async function writeFile(opened: OpenZip, planned: PlannedEntry, path: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  for await (const bytes of readEntry(opened, planned)) await writeAll(file, bytes);
  await file.chmod(planned.mode);
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
}

/** The bytes of an entry, which are no more than it declares and have its checksum. @throws BadZip */
async function* readEntry(opened: OpenZip, planned: PlannedEntry): AsyncGenerator<Uint8Array> {
  const entry = opened.entries[planned.index] as Entry;
  let checksum = 0;
  try {
    const isSmall = Math.max(entry.compressedSize, entry.uncompressedSize) <= AT_ONCE_BYTES;
    const chunks = isSmall ? [await readWhole(opened, entry)] : await opened.zip.openReadStreamPromise(entry);
    for await (const bytes of chunks) {
      checksum = crc32(bytes, checksum);
      yield bytes;
    }
  } catch (cause) {
    throw new BadZip(`${JSON.stringify(planned.path)}: ${errorMessage(cause)}`, { cause });
  }
  if (checksum !== entry.crc32) {
    throw new BadZip(`${JSON.stringify(planned.path)} is damaged: its checksum differs`);
  }
}

/** A small entry without a stream, which would take longer than its bytes. */
async function readWhole({ zip, file }: OpenZip, entry: Entry): Promise<Uint8Array> {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const packed = Buffer.allocUnsafe(entry.compressedSize);
  const { bytesRead } = await file.read(packed, 0, packed.byteLength, fileDataStart);
  if (bytesRead < packed.byteLength) throw new BadZip('the file ends within it');
  const { uncompressedSize: sizeBytes } = entry;
  const bytes =
    entry.compressionMethod === 0
      ? packed
      : inflateRawSync(packed, { maxOutputLength: Math.max(1, sizeBytes) });
  if (bytes.byteLength !== sizeBytes) throw new BadZip(`it has ${bytes.byteLength} bytes, not ${sizeBytes}`);
  return bytes;
}

async function withOpen(path: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  await using handle = await open(path, 'r');
  await work(handle);
}
