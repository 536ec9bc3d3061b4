import { constants, type Dirent } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiffId } from '@slipway/oci';
import { syscalls } from '@slipway/store';

/** A layer as it is unpacked: an overlayfs upper folder. */
export interface UnpackedLayer {
  readonly diffId: DiffId;
  readonly folder: string;
}

/** A file of the image's root. */
export interface MergedFile {
  /** Without a slash before it: `etc/os-release`. */
  readonly path: string;
  /** The layers that have it, top first: the first one's is seen, those after it are what it replaced. */
  readonly layers: readonly UnpackedLayer[];
}

interface Entry {
  readonly kind: 'directory' | 'file' | 'other';
  readonly layers: UnpackedLayer[];
  /** Nothing of a lower layer shows through. */
  isClosed: boolean;
}

/** What a running system has there is no part of the image. */
const SKIPPED = new Set(['dev', 'proc', 'sys']);
const OPAQUE_XATTR = 'trusted.overlay.opaque';
const NOT_UTF8 = '\uFFFD';

/**
 * The regular files of the stacked layers, as overlayfs would show them: whiteouts and opaque folders hide what is below.
 * Links are not followed, so nothing leads out of the layers; `layers` is top first, and nobody changes them meanwhile.
 * @see https://docs.kernel.org/filesystems/overlayfs.html
 */
export async function* mergedFiles(
  layers: readonly UnpackedLayer[],
  isWanted: (path: string) => boolean,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<MergedFile> {
  const folders = [{ path: '', layers: upToOpaque(layers, '') }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal?.throwIfAborted();
    for (const [name, entry] of await mergeFolder(folder.path, folder.layers)) {
      const path = folder.path === '' ? name : `${folder.path}/${name}`;
      if (entry.kind === 'directory' && !(folder.path === '' && SKIPPED.has(name))) {
        folders.push({ path, layers: entry.layers });
      } else if (entry.kind === 'file' && isWanted(path)) {
        yield { path, layers: entry.layers };
      }
    }
  }
}

async function mergeFolder(path: string, layers: readonly UnpackedLayer[]): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  for (const [index, layer] of layers.entries()) {
    for (const found of await readdir(join(layer.folder, path), { withFileTypes: true })) {
      const { name } = found;
      if (name.includes(NOT_UTF8)) continue;
      const kind = kindOf(found);
      const above = entries.get(name);
      if (above?.isClosed) continue;
      if (above !== undefined && above.kind !== kind) {
        above.isClosed = true;
        continue;
      }
      const isLast = index === layers.length - 1;
      const isClosed =
        kind === 'other' || (kind === 'directory' && !isLast && isOpaque(layer, join(path, name)));
      if (above === undefined) {
        entries.set(name, { kind, layers: [layer], isClosed });
      } else {
        above.layers.push(layer);
        above.isClosed = isClosed;
      }
    }
  }
  return entries;
}

/** A whiteout is a device, and so `other`: seen as nothing, and hiding what is below. */
const kindOf = (entry: Dirent): Entry['kind'] =>
  entry.isDirectory() ? 'directory' : entry.isFile() ? 'file' : 'other';

function upToOpaque(layers: readonly UnpackedLayer[], path: string): readonly UnpackedLayer[] {
  const index = layers.findIndex((layer) => isOpaque(layer, path));
  return index === -1 ? layers : layers.slice(0, index + 1);
}

const isOpaque = ({ folder }: UnpackedLayer, path: string): boolean =>
  syscalls.lgetxattr(join(folder, path), OPAQUE_XATTR)?.toString() === 'y';

/** The text of a layer's file; undefined when it is larger than that. */
export async function readLayerFile(
  { folder }: UnpackedLayer,
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  const full = join(folder, path);
  if (!(await lstat(full)).isFile()) return undefined;
  await using file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW);
  if ((await file.stat()).size > maxBytes) return undefined;
  return await file.readFile('utf8');
}
