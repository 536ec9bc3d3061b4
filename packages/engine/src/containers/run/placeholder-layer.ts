import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath, isErrno } from '@slipway/base';
import { syscalls } from '@slipway/store';

/** The engine's own files for a run are mounted over these. */
const MOUNTED_ON = ['hostname', 'hosts', 'resolv.conf'] as const;
/** Programs look for it to find out whether they are in a container. */
const MARK = '.dockerenv';

/**
 * Layers of empty files, one of which stands above the image of each container: what the runtime mounts on is there, so that
 * it makes nothing in the writable layer, and a container that writes nothing leaves nothing on the disk. As Docker's `-init`
 * layers, but shared by all images whose `/etc` looks the same, and in the run root.
 */
export class PlaceholderLayers {
  readonly #root: string;
  /** By the chainID of the image. */
  readonly #known = new Map<string, HostPath>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The one for an image with these layers, top first. */
  above(chainId: string, lower: readonly string[]): HostPath {
    const known = this.#known.get(chainId);
    if (known !== undefined) return known;
    const layer = this.#make(findEtc(lower));
    this.#known.set(chainId, layer);
    return layer;
  }

  #make(etc: Etc | undefined): HostPath {
    const name = etc === undefined ? 'bare' : `etc-${etc.uid}-${etc.gid}-${etc.mode.toString(8)}`;
    const layer = join(this.#root, name);
    mkdirSync(layer, { recursive: true, mode: 0o755 });
    touch(join(layer, MARK), 0o755);
    if (etc !== undefined) {
      const folder = join(layer, 'etc');
      mkdirSync(folder, { recursive: true });
      for (const file of MOUNTED_ON) touch(join(folder, file), 0o644);
      chownSync(folder, etc.uid, etc.gid);
      chmodSync(folder, etc.mode);
    }
    return hostPath(layer);
  }
}

interface Etc {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/**
 * How an image's `/etc` looks, which a layer above it has to repeat. Undefined where there is more to it than an owner and a
 * mode, or what would be hidden is no plain file: then the runtime is left to find out where to mount.
 */
function findEtc(lower: readonly string[]): Etc | undefined {
  let top: Etc | undefined;
  for (const layer of lower) {
    const etc = join(layer, 'etc');
    const found = look(etc);
    if (found === undefined) continue;
    if (!found.isDirectory() || !MOUNTED_ON.every((name) => look(join(etc, name))?.isFile() ?? true)) {
      return undefined;
    }
    if (top !== undefined) continue;
    if (syscalls.llistxattr(etc).some((name) => !name.startsWith('trusted.overlay.'))) return undefined;
    top = { uid: found.uid, gid: found.gid, mode: found.mode & 0o7777 };
  }
  return top;
}

function look(path: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

const touch = (path: string, mode: number): void => closeSync(openSync(path, 'a', mode));
