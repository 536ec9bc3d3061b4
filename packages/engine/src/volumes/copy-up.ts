import { execFile } from 'node:child_process';
import { close, constants } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorMessage, type HostPath, isErrno, SlipwayError } from '@slipway/base';
import { openInRoot } from '@slipway/store';

const run = promisify(execFile);
const O_PATH = 0o10000000;

/** A folder of a volume that is to be filled. */
export interface CopyUpTarget {
  readonly data: HostPath;
  /** Present while files are being copied: after a crash, the copy is made again. */
  readonly marker: HostPath;
}

/**
 * Fills an empty volume with what the image has at the mount point: content, modes, owners, times, extended attributes,
 * links; the volume's own folder gets the owner and the mode of the image's. Does nothing when the volume has files, or
 * the image has no folder there. Symlinks on the way are followed inside the image only.
 * @throws Internal when the copy fails, e.g. for a full disk.
 */
export async function copyUp(rootfs: HostPath, imagePath: string, target: CopyUpTarget): Promise<void> {
  const copying = await exists(target.marker);
  if (!copying && (await readdir(target.data)).length > 0) return;
  const folder = openFolder(rootfs, imagePath);
  if (folder === undefined) return;
  try {
    await writeFile(target.marker, '');
    // cp keeps holes, hard links and extended attributes, and reads no more of its source than the open folder.
    await run('cp', ['-a', '--', `/proc/${process.pid}/fd/${folder}/.`, target.data]);
    await rm(target.marker, { force: true });
  } catch (cause) {
    throw new SlipwayError(
      'Internal',
      `cannot copy the image's ${imagePath} into the volume at ${target.data}: ${errorMessage(cause)}`,
      { cause },
    );
  } finally {
    close(folder);
  }
}

function openFolder(rootfs: HostPath, imagePath: string): number | undefined {
  try {
    return openInRoot(rootfs, imagePath, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function exists(path: HostPath): Promise<boolean> {
  try {
    await readdir(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) return true;
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
