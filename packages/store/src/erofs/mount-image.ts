import { closeSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SlipwayError } from '@slipway/base';
import { mountDetached } from '../syscalls.ts';
import { TarParser } from '../tar/parser.ts';
import { formatTarHeader, TAR_END, tarPadding } from '../tar/writer.ts';
import { encodeImage } from './encode-image.ts';
import { LayerTree } from './layer-tree.ts';

/** What a layer that is kept as an image consists of, in its snapshot's folder. */
export const ARCHIVE_FILE = 'layer.tar';
export const IMAGE_FILE = 'layer.erofs';

/**
 * The files of the image in a snapshot's folder, mounted nowhere: whoever has the path has them, until the descriptor is
 * closed or the process ends. What was mounted on them stays.
 * @throws DataLoss when the kernel does not take the image
 */
export function mountImage(folder: string): { readonly fd: number; readonly path: string } {
  try {
    const fd = mountDetached('erofs', {
      source: join(folder, IMAGE_FILE),
      device: join(folder, ARCHIVE_FILE),
    });
    // With our number, not as `self`: it is the shim that mounts.
    return { fd, path: `/proc/${process.pid}/fd/${fd}` };
  } catch (cause) {
    throw new SlipwayError(
      'DataLoss',
      `cannot mount the layer in ${folder}; remove its image and load it again`,
      { cause },
    );
  }
}

/**
 * Tries whether layers can be images here: it takes EROFS from a file with blocks of 512 bytes (Linux 6.12) and overlayfs on
 * what is mounted nowhere (6.15). `scratch` is a folder to try it in.
 * @throws FailedPrecondition
 */
export function proveImages(scratch: string): void {
  const folder = mkdtempSync(join(scratch, 'probe-'));
  const open: number[] = [];
  try {
    writeProbe(folder);
    const image = mountImage(folder);
    open.push(image.fd);
    const [upper, work, below] = ['upper', 'work', 'below'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [upper, work, below]) mkdirSync(path);
    const stack = { lowerdir: `${image.path}:${below}`, upperdir: upper, workdir: work };
    open.push(mountDetached('overlay', stack));
    readFileSync(`/proc/self/fd/${open[1]}/probe`);
  } catch (cause) {
    throw new SlipwayError('FailedPrecondition', 'this kernel cannot mount layers as images (EROFS)', {
      cause,
    });
  } finally {
    for (const fd of open.reverse()) closeSync(fd);
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeProbe(folder: string): void {
  const body = Buffer.from('probe');
  const archive = Buffer.concat([
    formatTarHeader({ name: 'probe', sizeBytes: body.length }),
    body,
    tarPadding(body.length),
    TAR_END,
  ]);
  const tree = new LayerTree();
  const parser = new TarParser(tree);
  parser.push(archive);
  parser.end();
  writeFileSync(join(folder, ARCHIVE_FILE), archive);
  writeFileSync(join(folder, IMAGE_FILE), encodeImage(tree.root).bytes);
}
