import { chmod, lstat, mkdir, opendir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostPath, hostPath, isErrno } from '@slipway/base';

const REMOVED = '.removed-';

/**
 * The folders of volumes. A folder is put aside before its record goes, so whatever has a record can be had again, and
 * a folder that was not put aside is never removed, even when the database is lost.
 */
export class VolumeFolders {
  readonly #root: HostPath;

  constructor(root: HostPath) {
    this.#root = root;
  }

  /** Where a volume's files are. */
  data(name: string): HostPath {
    return hostPath(join(this.#root, name, '_data'));
  }

  /** Present while an image's files are being copied into the volume. */
  copyMarker(name: string): HostPath {
    return hostPath(join(this.#root, name, 'copying'));
  }

  async make(name: string): Promise<void> {
    await mkdir(join(this.#root, name), { recursive: true, mode: 0o701 });
    const made = await mkdir(this.data(name), { recursive: true });
    // The umask of the daemon is no business of the volume's.
    if (made !== undefined) await chmod(this.data(name), 0o755);
  }

  /** First step of a removal; `finishRemoval` is the last. */
  async putAside(name: string): Promise<void> {
    try {
      await rename(join(this.#root, name), join(this.#root, REMOVED + name));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  async finishRemoval(name: string): Promise<void> {
    await rm(join(this.#root, REMOVED + name), { recursive: true, force: true });
  }

  /**
   * Finishes removals that a crash cut off after the record had gone, and takes back those before it. An empty folder
   * without a record is a creation that was cut off.
   */
  async recover(known: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o701 });
    for (const entry of await readdir(this.#root)) {
      if (!entry.startsWith(REMOVED)) {
        if (!known.has(entry)) await this.#removeEmpty(entry);
        continue;
      }
      const name = entry.slice(REMOVED.length);
      if (known.has(name)) await rename(join(this.#root, entry), join(this.#root, name));
      else await this.finishRemoval(name);
    }
  }

  async #removeEmpty(name: string): Promise<void> {
    for (const folder of [this.data(name), join(this.#root, name)]) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'ENOTDIR')) throw error;
      }
    }
  }

  /** Bytes of the files in it; a file with several names counts once. */
  async sizeBytes(name: string): Promise<number> {
    const seen = new Set<string>();
    let sizeBytes = 0;
    const waiting: string[] = [this.data(name)];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      try {
        for await (const entry of await opendir(folder)) {
          const path = join(folder, entry.name);
          if (entry.isDirectory()) {
            waiting.push(path);
            continue;
          }
          const { dev, ino, nlink, size } = await lstat(path);
          if (nlink > 1 && seen.has(`${dev}:${ino}`)) continue;
          if (nlink > 1) seen.add(`${dev}:${ino}`);
          sizeBytes += size;
        }
      } catch (error) {
        // Containers may be changing it meanwhile.
        if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
      }
    }
    return sizeBytes;
  }
}
