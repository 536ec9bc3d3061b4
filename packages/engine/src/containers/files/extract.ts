import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lstatSync,
  readdirSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { posix } from 'node:path';
import { errorMessage, type HostPath, isErrno, SlipwayError } from '@slipway/base';
import {
  decompressArchive,
  openInRoot,
  syscalls,
  type TarEntry,
  TarParser,
  type TarSink,
} from '@slipway/store';

const {
  AT_REMOVEDIR,
  fchmodat,
  fchownat,
  linkat,
  lsetxattr,
  mkdirat,
  mknodat,
  O_PATH,
  openat,
  symlinkat,
  unlinkat,
  utimensat,
} = syscalls;

export interface ExtractOptions {
  readonly noOverwriteDirNonDir: boolean;
  /** Undefined: as the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * Unpacks a tar into a folder of a container that may be running. Every entry is found by the kernel below the
 * container's root, so neither `..` nor a link in the archive or in the container leads to the host.
 * @throws InvalidArgument for what is no tar or may not be overwritten; DataLoss for a truncated or damaged one; ResourceExhausted
 * for a full disk.
 */
export async function extractInto(
  root: HostPath,
  folder: string,
  archive: AsyncIterable<Uint8Array>,
  options: ExtractOptions,
): Promise<void> {
  using extractor = new Extractor(root, folder, options);
  const parser = new TarParser(extractor);
  for await (const chunk of decompressArchive(archive)) parser.push(chunk);
  parser.end();
  extractor.finish();
}

/** An entry being written. */
interface Current {
  readonly entry: TarEntry;
  readonly folder: number;
  readonly name: Buffer;
  readonly file: number | undefined;
}

class Extractor implements TarSink, Disposable {
  readonly #root: HostPath;
  readonly #base: string;
  readonly #options: ExtractOptions;
  #current: Current | undefined;
  /** Their times are set last, since what is put into them changes them. */
  readonly #folders: { readonly path: string; readonly entry: TarEntry }[] = [];

  constructor(root: HostPath, base: string, options: ExtractOptions) {
    this.#root = root;
    this.#base = base;
    this.#options = options;
  }

  entry(entry: TarEntry): void {
    this.#explained(entry, () => {
      const path = this.#pathOf(entry.name);
      const folder = this.#openFolder(path === '/' ? '/' : posix.dirname(path));
      const name = Buffer.from(path === '/' ? '.' : posix.basename(path), 'latin1');
      this.#current = { entry, folder, name, file: undefined };
      this.#makeRoom(entry, folder, name, path);
      this.#current = { entry, folder, name, file: this.#create(entry, folder, name) };
      if (entry.type === 'directory') this.#folders.push({ path, entry });
    });
  }

  data(chunk: Buffer, offset: number): void {
    const { entry, file } = this.#current as Current;
    if (file === undefined) return;
    this.#explained(entry, () => {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at, chunk.length - at, offset + at);
    });
  }

  endEntry(): void {
    const { entry, folder, name, file } = this.#current as Current;
    this.#explained(entry, () => {
      if (file !== undefined) ftruncateSync(file, entry.sizeBytes);
      if (entry.type !== 'hardlink') this.#setAttributes(entry, folder, name, file);
    });
    this.#close();
  }

  finish(): void {
    for (const { path, entry } of this.#folders.reverse()) {
      const folder = this.#openFolder(posix.dirname(path));
      try {
        utimensat(folder, Buffer.from(posix.basename(path) || '.', 'latin1'), entry.mtimeNs, entry.mtimeNs);
      } finally {
        closeSync(folder);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #close(): void {
    if (this.#current?.file !== undefined) closeSync(this.#current.file);
    if (this.#current !== undefined) closeSync(this.#current.folder);
    this.#current = undefined;
  }

  /** In the container, byte for byte as latin1. */
  #pathOf(name: Buffer): string {
    const inside = posix.normalize(`/${name.toString('latin1')}`);
    return posix.join(Buffer.from(this.#base).toString('latin1'), inside).replace(/(.)\/$/, '$1');
  }

  /** Opens a folder of the container, making what is missing of it. */
  #openFolder(path: string): number {
    const bytes = Buffer.from(path, 'latin1');
    try {
      return openInRoot(this.#root, bytes, O_PATH | constants.O_DIRECTORY);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    const parent = this.#openFolder(posix.dirname(path));
    try {
      mkdirat(parent, Buffer.from(posix.basename(path), 'latin1'), 0o755);
    } finally {
      closeSync(parent);
    }
    return openInRoot(this.#root, bytes, O_PATH | constants.O_DIRECTORY);
  }

  /** Takes away what is in the entry's way. */
  #makeRoom(entry: TarEntry, folder: number, name: Buffer, path: string): void {
    const existing = statAt(folder, name);
    if (existing === undefined) return;
    const isFolder = entry.type === 'directory';
    if (isFolder && existing.isDirectory()) return;
    if (isFolder !== existing.isDirectory() && this.#options.noOverwriteDirNonDir) {
      const [there, comes] = isFolder ? ['non-directory', 'directory'] : ['directory', 'non-directory'];
      throw new SlipwayError(
        'InvalidArgument',
        `cannot overwrite ${there} "${path}" with ${comes} "${path}"`,
      );
    }
    removeAt(folder, name, existing);
  }

  /** Makes the entry; a file's descriptor to write to. */
  #create(entry: TarEntry, folder: number, name: Buffer): number | undefined {
    switch (entry.type) {
      case 'directory':
        if (statAt(folder, name) === undefined) mkdirat(folder, name, 0o700);
        return undefined;
      case 'file':
        return openat(
          folder,
          name,
          constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
          0o600,
        );
      case 'symlink':
        symlinkat(entry.linkName, folder, name);
        return undefined;
      case 'hardlink':
        this.#link(entry, folder, name);
        return undefined;
      case 'character-device':
        mknodat(folder, name, constants.S_IFCHR | 0o600, entry.deviceMajor, entry.deviceMinor);
        return undefined;
      case 'block-device':
        mknodat(folder, name, constants.S_IFBLK | 0o600, entry.deviceMajor, entry.deviceMinor);
        return undefined;
      case 'fifo':
        mknodat(folder, name, constants.S_IFIFO | 0o600, 0, 0);
        return undefined;
      case 'unknown':
        throw new SlipwayError('InvalidArgument', `it is of the unknown type ${entry.typeFlag}`);
    }
  }

  #link(entry: TarEntry, folder: number, name: Buffer): void {
    const target = this.#pathOf(entry.linkName);
    const targetFolder = this.#openFolder(posix.dirname(target));
    try {
      linkat(targetFolder, Buffer.from(posix.basename(target), 'latin1'), folder, name);
    } finally {
      closeSync(targetFolder);
    }
  }

  #setAttributes(entry: TarEntry, folder: number, name: Buffer, file: number | undefined): void {
    const { uid, gid } = this.#options.owner ?? entry;
    const mode = entry.mode & 0o7777;
    if (file !== undefined) {
      fchownSync(file, uid, gid);
      fchmodSync(file, mode);
    } else {
      fchownat(folder, name, uid, gid);
      if (entry.type === 'directory') chmodFolder(folder, name, mode);
      else if (entry.type !== 'symlink') fchmodat(folder, name, mode);
    }
    for (const [key, value] of entry.xattrs) {
      if (key === 'security.capability' || key.startsWith('user.'))
        lsetxattr(pathAt(folder, name), key, value);
    }
    utimensat(folder, name, entry.mtimeNs, entry.mtimeNs);
  }

  #explained(entry: TarEntry, work: () => void): void {
    try {
      work();
    } catch (cause) {
      if (cause instanceof SlipwayError) throw cause;
      const code = isErrno(cause, 'ENOSPC', 'EDQUOT')
        ? 'ResourceExhausted'
        : isErrno(cause, 'EROFS', 'EPERM', 'EACCES')
          ? 'PermissionDenied'
          : isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EXDEV')
            ? 'InvalidArgument'
            : 'Internal';
      throw new SlipwayError(code, `cannot unpack "${entry.name.toString()}": ${errorMessage(cause)}`, {
        cause,
      });
    }
  }
}

const pathAt = (folder: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${folder}/`), name]);

function statAt(folder: number, name: Buffer): Stats | undefined {
  return lstatSync(pathAt(folder, name), { throwIfNoEntry: false });
}

/** By a descriptor that no link can have replaced. */
function chmodFolder(folder: number, name: Buffer, mode: number): void {
  const opened = openat(folder, name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchmodSync(opened, mode);
  } finally {
    closeSync(opened);
  }
}

/** Removes a file, or a folder with all that is in it, following no link. */
function removeAt(folder: number, name: Buffer, stats: Stats): void {
  if (!stats.isDirectory()) {
    unlinkat(folder, name);
    return;
  }
  const opened = openat(folder, name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    for (const inside of readdirSync(`/proc/self/fd/${opened}`, { encoding: 'buffer' })) {
      const found = statAt(opened, inside);
      if (found !== undefined) removeAt(opened, inside, found);
    }
  } finally {
    closeSync(opened);
  }
  unlinkat(folder, name, AT_REMOVEDIR);
}
