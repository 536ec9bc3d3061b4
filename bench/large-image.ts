import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../test/integration/harness/command.ts';

export const LARGE_IMAGE = 'slipway-bench/large:1';
const FILES = 10_046;
const TOTAL_BYTES = 287_000_000;
const FOLDERS = 400;

/**
 * The same image, byte for byte, on every machine: one layer of 10,046 files, most small and some large, as the root
 * of a distribution is, half of each compressible. Made once, kept in `.cache/bench`.
 */
export async function largeImageArchive(checkout: string): Promise<{ archive: string; layer: string }> {
  const folder = join(checkout, '.cache/bench/large-image-1');
  const paths = { archive: join(folder, 'image.tar'), layer: join(folder, 'layer.tar') };
  if (existsSync(folder)) return paths;
  const making = `${folder}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(join(making, 'files'), { recursive: true });
  await writeFiles(join(making, 'files'));
  await pack(making, 'layer.tar', join(making, 'files'), '.');
  await rm(join(making, 'files'), { recursive: true });
  const layerDigest = await sha256(join(making, 'layer.tar'));
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'slipway bench' }],
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  await writeFile(join(making, configName), config);
  const manifest = [{ Config: configName, RepoTags: [LARGE_IMAGE], Layers: ['layer.tar'] }];
  await writeFile(join(making, 'manifest.json'), JSON.stringify(manifest));
  await pack(making, 'image.tar', making, 'layer.tar', configName, 'manifest.json');
  await rename(making, folder);
  return paths;
}

async function writeFiles(root: string): Promise<void> {
  const random = xorshift(20_261_121);
  // Squares of squares: most files have a few kilobytes, the largest some megabytes.
  const weights = Array.from({ length: FILES }, () => (random() / 2 ** 32) ** 8 + 0.002);
  const perWeight = TOTAL_BYTES / weights.reduce((sum, weight) => sum + weight, 0);
  for (let folder = 0; folder < FOLDERS; folder++)
    await mkdir(join(root, folderOf(folder)), { recursive: true });
  for (const [index, weight] of weights.entries()) {
    const content = Buffer.alloc(Math.round(weight * perWeight));
    const noiseLength = content.length >> 1;
    for (let at = 0; at + 4 <= noiseLength; at += 4) content.writeUInt32LE(random(), at);
    await writeFile(join(root, folderOf(index % FOLDERS), `file-${index}`), content);
  }
}

const folderOf = (index: number): string => `usr/lib/part-${Math.floor(index / 20)}/folder-${index}`;

/** Times, owners and order are the same on every machine. */
async function pack(into: string, name: string, from: string, ...members: readonly string[]): Promise<void> {
  const fixed = [
    '--sort=name',
    '--mtime=@1767225600',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u+rw,go=rX',
  ];
  await mustRun(['tar', ...fixed, '--format=gnu', '-cf', join(into, name), '-C', from, ...members]);
}

async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Marsaglia's xorshift: the same numbers everywhere. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
