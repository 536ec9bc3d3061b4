import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { computeDigest, digestHex } from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { Image } from './image.ts';
import type { ImageService } from './service.ts';
import { assertEmpty, configOf, load, openImages, piecesOf, tarOf } from './testing.ts';

/** More than what is kept in memory, so that it unpacks while it arrives. */
const LARGE_BYTES = 3 << 20;

const largeLayer = (name: string) => tarOf([[name, randomBytes(LARGE_BYTES)]]);

async function archiveOf(layer: Buffer, { blob = layer, diffId = computeDigest(layer) as string } = {}) {
  const config = configOf([diffId]);
  return await tarOf([
    ['a/layer.tar', blob],
    [config.name, config.text],
    [
      'manifest.json',
      JSON.stringify([{ Config: config.name, RepoTags: ['app:1'], Layers: ['a/layer.tar'] }]),
    ],
  ]);
}

async function layersOf(store: Store, image: Image): Promise<string[][]> {
  const { lower } = await store.snapshots.mounts(image.chainId as string);
  return lower.map((path) => readdirSync(path).map((name) => `${name} ${readFileSync(join(path, name))}`));
}

const manifestOf = (images: readonly (readonly [config: string, tag: string, layers: readonly string[]])[]) =>
  JSON.stringify(images.map(([Config, tag, Layers]) => ({ Config, RepoTags: [tag], Layers })));

test('layers that old dockers link to one another are the layers they point to, small and large', async (t) => {
  const { store, images } = await openImages(t);
  const large = await largeLayer('large');
  const small = await tarOf([['small', '1']]);
  const top = await tarOf([['top', '2']]);
  const one = configOf([large, small].map(computeDigest), 'one');
  const two = configOf([large, small, top].map(computeDigest), 'two');
  await load(
    images,
    piecesOf(
      await tarOf([
        ['a/layer.tar', large],
        ['b/layer.tar', small],
        // A link may come before its target, and lead to another link.
        ['e/layer.tar', { link: '../d/layer.tar' }],
        ['d/layer.tar', { link: '../b/layer.tar' }],
        ['c/layer.tar', { link: '../a/layer.tar' }],
        ['f/layer.tar', top],
        [one.name, one.text],
        [two.name, two.text],
        [
          'manifest.json',
          manifestOf([
            [one.name, 'one:1', ['a/layer.tar', 'b/layer.tar']],
            [two.name, 'two:1', ['c/layer.tar', 'e/layer.tar', 'f/layer.tar']],
          ]),
        ],
      ]),
    ),
  );
  const names = async (name: string) =>
    (await layersOf(store, await images.resolve(name))).flat().map((file) => file.slice(0, 7).split(' ')[0]);
  assert.deepEqual(await names('one:1'), ['small', 'large']);
  assert.deepEqual(await names('two:1'), ['top', 'small', 'large']);
  const keys = (await Array.fromAsync(store.snapshots.list())).map(({ key }) => key);
  assert.deepEqual(
    keys.filter((key) => key.startsWith('unpack-')),
    [],
  );
  assert.equal(keys.length, 3);
});

test('of entries of one name the last counts, and nothing stays of those before', async (t) => {
  const { root, store, images } = await openImages(t);
  const [first, second] = [await largeLayer('first'), await largeLayer('second')];
  const linked = await tarOf([['linked', 'x']]);
  const config = configOf([second, linked].map(computeDigest));
  await load(
    images,
    piecesOf(
      await tarOf([
        ['a/layer.tar', first],
        ['b/layer.tar', first],
        ['a/layer.tar', second],
        ['b/layer.tar', { link: '../c/layer.tar' }],
        ['c/layer.tar', linked],
        [config.name, config.text],
        ['manifest.json', '[]'],
        ['manifest.json', manifestOf([[config.name, 'app:1', ['a/layer.tar', 'b/layer.tar']]])],
      ]),
    ),
  );
  const { id, chainIds } = await images.resolve('app:1');
  assert.deepEqual(
    (await Array.fromAsync(store.snapshots.list())).map(({ key }) => key),
    [...chainIds],
  );
  await images.remove(id, { force: false });
  await assertEmpty(root, store);
});

test('links in a circle, and out of the archive, are refused and leave nothing', async (t) => {
  const { root, store, images } = await openImages(t);
  const config = configOf([computeDigest('x')]);
  for (const link of ['../a/layer.tar', '../../../etc/passwd']) {
    const archive = await tarOf([
      ['b/layer.tar', await largeLayer('large')],
      ['a/layer.tar', { link }],
      [config.name, config.text],
      ['manifest.json', manifestOf([[config.name, 'app:1', ['a/layer.tar']]])],
    ]);
    await assert.rejects(load(images, piecesOf(archive)), { code: 'InvalidArgument' });
    await assertEmpty(root, store);
  }
});

/** What this process has open below a folder, also what is removed. */
const openFilesBelow = (root: string): string[] =>
  readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(join('/proc/self/fd', fd))];
      } catch {
        return [];
      }
    })
    .filter((path) => path.startsWith(root))
    .sort();

test('a large layer that lies, is damaged or is cut off leaves nothing, and the next load is not hindered', async (t) => {
  const { root, store, images } = await openImages(t);
  const layer = await largeLayer('large');
  const gzip = gzipSync(layer, { level: 1 });
  const damaged = Buffer.from(gzip);
  damaged.fill(0xff, 1 << 20, (1 << 20) + 64);
  const whole = await archiveOf(layer);
  const lie = `sha256:${'0'.repeat(64)}`;
  const openBefore = openFilesBelow(root);
  const broken = {
    'a plain layer that lies': await archiveOf(layer, { diffId: lie }),
    'a compressed layer that lies': await archiveOf(layer, { blob: gzip, diffId: lie }),
    'a damaged layer': await archiveOf(layer, { blob: damaged }),
    'a layer that is cut off': await archiveOf(layer, { blob: gzip.subarray(0, 2 << 20) }),
    'an archive that is cut off': whole.subarray(0, 2 << 20),
  };
  for (const [what, archive] of Object.entries(broken)) {
    await assert.rejects(load(images, piecesOf(archive)), { code: 'DataLoss' }, what);
    await assertEmpty(root, store);
  }
  await load(images, piecesOf(whole));
  await images.remove('app:1', { force: false });
  await assertEmpty(root, store);
  assert.deepEqual(openFilesBelow(root), openBefore);
});

test('a load that is canceled half way through a large layer leaves nothing, and the next is not hindered', async (t) => {
  const { root, store, images } = await openImages(t);
  const whole = await archiveOf(await largeLayer('large'));
  // More often than there are threads.
  for (let round = 0; round < 5; round++) {
    const stop = new AbortController();
    async function* canceled() {
      for (const piece of piecesOf(whole.subarray(0, 2 << 20))) {
        yield piece;
        await new Promise(setImmediate);
      }
      stop.abort(new Error('the client has gone'));
      yield* piecesOf(whole.subarray(2 << 20));
    }
    await assert.rejects(load(images, canceled(), stop.signal));
    await assertEmpty(root, store);
  }
  async function* goneClient() {
    yield* piecesOf(whole.subarray(0, 2 << 20));
    throw new Error('the connection was reset');
  }
  await assert.rejects(load(images, goneClient()), { message: 'the connection was reset' });
  await assertEmpty(root, store);
  await load(images, piecesOf(whole));
  assert.ok(images.find('app:1'));
});

async function onTmpfs(sizeMib: number, work: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync('/tmp/slipway-img2-');
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', root]);
  try {
    await work(root);
  } finally {
    execFileSync('umount', [root]);
    rmSync(root, { recursive: true });
  }
}

async function assertDiskFull(images: ImageService, archive: Buffer): Promise<void> {
  await assert.rejects(load(images, piecesOf(archive)), (error: Error & { code: string; reason: string }) => {
    assert.deepEqual([error.code, error.reason], ['ResourceExhausted', 'ENOSPC']);
    assert.match(error.message, /no space left on device/);
    return true;
  });
}

test('a disk that fills up under a large layer says so and leaves nothing, whichever write it was', async (t) => {
  for (const [what, sizeMib] of [
    ['the blob', 2],
    ['the files', 5],
    ['both at once', 6],
  ] as const) {
    await onTmpfs(sizeMib, async (root) => {
      await t.test(what, async (t) => {
        const { store, images } = await openImages(t, { root });
        await assertDiskFull(images, await archiveOf(await largeLayer('large')));
        await assertEmpty(root, store);
        const small = await tarOf([['small', 'x']]);
        await load(images, piecesOf(await archiveOf(small)));
        assert.ok(images.find('app:1'));
      });
    });
  }
});

test('a layer that an image has is not unpacked again, but where it stands on another it is', async (t) => {
  const { root, store, images } = await openImages(t);
  const known = await largeLayer('known');
  const path = `blobs/sha256/${digestHex(computeDigest(known))}`;
  const first = configOf([computeDigest(known)]);
  const archive = await tarOf([
    [path, known],
    [first.name, first.text],
    ['manifest.json', manifestOf([[first.name, 'first:1', [path]]])],
  ]);
  await load(images, piecesOf(archive));
  await load(images, piecesOf(archive));
  // Folders are numbered as snapshots are begun.
  await store.snapshots.prepare('next', undefined);
  assert.deepEqual(readdirSync(join(root, 'snapshots')).sort(), ['1', '2']);
  await store.snapshots.remove('next');

  const below = await tarOf([['below', 'x']]);
  const second = configOf([below, known].map(computeDigest));
  await load(
    images,
    piecesOf(
      await tarOf([
        [path, known],
        ['below.tar', below],
        [second.name, second.text],
        ['manifest.json', manifestOf([[second.name, 'second:1', ['below.tar', path]]])],
      ]),
    ),
  );
  const layers = await layersOf(store, await images.resolve('second:1'));
  assert.deepEqual(
    layers.flat().map((file) => file.slice(0, 5)),
    ['known', 'below'],
  );
});
