import { lstat, readdir } from 'node:fs/promises';
import { isErrno } from '@slipway/base';

/** Bytes allocated on disk and inodes of a tree, hard links counted once. What vanishes meanwhile is not counted. */
export async function measureTree(root: string): Promise<{ sizeBytes: number; inodes: number }> {
  const seen = new Set<string>();
  let sizeBytes = 0;
  let inodes = 0;
  const pending: Buffer[] = [Buffer.from(root)];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    try {
      const stats = await lstat(path);
      if (stats.nlink > 1 && !stats.isDirectory()) {
        const inode = `${stats.dev}:${stats.ino}`;
        if (seen.has(inode)) continue;
        seen.add(inode);
      }
      inodes++;
      sizeBytes += stats.blocks * 512;
      if (!stats.isDirectory()) continue;
      for (const name of await readdir(path, { encoding: 'buffer' })) {
        pending.push(Buffer.concat([path, Buffer.from('/'), name]));
      }
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
  }
  return { sizeBytes, inodes };
}
