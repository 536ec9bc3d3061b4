import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../test/integration/harness/command.ts';

/** An image that is the same, byte for byte, on every machine. */
export interface MadeImage {
  readonly reference: string;
  /** As `docker load` takes it. */
  readonly archive: string;
  /** Uncompressed tars, bottom to top. */
  readonly layers: readonly string[];
}

interface Recipe {
  readonly name: string;
  readonly reference: string;
  readonly layers: number;
  /** Of all layers together. */
  readonly files: number;
  readonly totalBytes: number;
  readonly folders: number;
  /** How much of each file does not compress, from 0 to 1. */
  readonly noise: number;
}

/** One layer of 10,046 files, most small and some large, as the root of a distribution is, half of each compressible. */
export const loadImage = (checkout: string): Promise<MadeImage> =>
  madeOnce(checkout, {
    name: 'large-image-2',
    reference: 'slipway-bench/large:1',
    layers: 1,
    files: 10_046,
    totalBytes: 287_000_000,
    folders: 400,
    noise: 0.5,
  });

/** Five layers of 25,600 files that come to about 91 MB when they are gzip'd. */
export const pullImage = (checkout: string): Promise<MadeImage> =>
  madeOnce(checkout, {
    name: 'layered-image-1',
    reference: 'slipway-bench/layered:1',
    layers: 5,
    files: 25_600,
    totalBytes: 389_000_000,
    folders: 1_000,
    noise: 0.23,
  });

/** Kept in `.cache/bench`. */
async function madeOnce(checkout: string, recipe: Recipe): Promise<MadeImage> {
  const folder = join(checkout, '.cache/bench', recipe.name);
  const layerNames = Array.from({ length: recipe.layers }, (_, index) => `layer-${index}.tar`);
  const image: MadeImage = {
    reference: recipe.reference,
    archive: join(folder, 'image.tar'),
    layers: layerNames.map((name) => join(folder, name)),
  };
  if (existsSync(folder)) return image;
  const making = `${folder}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  const random = xorshift(20_261_121);
  const diffIds: string[] = [];
  for (const [index, name] of layerNames.entries()) {
    const files = join(making, 'files');
    await writeFiles(files, index, recipe, random);
    await pack(making, name, files, '.');
    await rm(files, { recursive: true });
    diffIds.push(`sha256:${await sha256(join(making, name))}`);
  }
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'slipway bench' })),
  });
  const configName = `${createHash('sha256').update(config).digest('hex')}.json`;
  await writeFile(join(making, configName), config);
  const manifest = [{ Config: configName, RepoTags: [recipe.reference], Layers: layerNames }];
  await writeFile(join(making, 'manifest.json'), JSON.stringify(manifest));
  await pack(making, 'image.tar', making, ...layerNames, configName, 'manifest.json');
  await rename(making, folder);
  return image;
}

/** The files of one layer, below a folder of the layer's own. */
async function writeFiles(root: string, layer: number, recipe: Recipe, random: () => number): Promise<void> {
  const files = Math.floor(recipe.files / recipe.layers);
  const folders = Math.floor(recipe.folders / recipe.layers);
  const folderOf = (index: number): string =>
    `usr/lib/layer-${layer}/part-${Math.floor(index / 20)}/folder-${index}`;
  // Squares of squares: most files have a few kilobytes, the largest some megabytes.
  const weights = Array.from({ length: files }, () => (random() / 2 ** 32) ** 8 + 0.002);
  const perWeight = recipe.totalBytes / recipe.layers / weights.reduce((sum, weight) => sum + weight, 0);
  for (let folder = 0; folder < folders; folder++)
    await mkdir(join(root, folderOf(folder)), { recursive: true });
  for (const [index, weight] of weights.entries()) {
    const content = Buffer.alloc(Math.round(weight * perWeight));
    const noiseLength = Math.floor(content.length * recipe.noise);
    for (let at = 0; at + 4 <= noiseLength; at += 4) content.writeUInt32LE(random(), at);
    await writeFile(join(root, folderOf(index % folders), `file-${index}`), content);
  }
}

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
