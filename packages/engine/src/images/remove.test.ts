import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { computeDigest, type Digest, digestHex } from '@slipway/oci';
import type { Store } from '@slipway/store';
import type { ImageService } from './service.ts';
import { assertEmpty, configOf, load, openImages, piecesOf, tarOf } from './testing.ts';

/** An image of these layers, each named by its digest as docker 25 and later name them. */
async function archiveOf(tag: string, layers: readonly Buffer[]): Promise<Buffer> {
  const config = configOf(layers.map(computeDigest), tag);
  const paths = layers.map((layer) => `blobs/sha256/${digestHex(computeDigest(layer))}`);
  return await tarOf([
    ...layers.map((layer, index) => [paths[index] as string, layer] as const),
    [config.name, config.text],
    ['manifest.json', JSON.stringify([{ Config: config.name, RepoTags: [tag], Layers: paths }])],
  ]);
}

const containerId = 'c'.repeat(64);

test('an image that a stopped container uses is kept in docker’s words, and goes by force', async (t) => {
  const { root, store, images } = await openImages(t);
  const archive = await archiveOf('app:1', [await tarOf([['a', 'x']])]);
  await load(images, [archive]);
  const { id } = await images.resolve('app:1');
  const short = id.slice(7, 19);
  images.addUsers((imageId) =>
    imageId === id ? [{ kind: 'container', id: containerId, running: false }] : [],
  );
  await assert.rejects(images.remove(id, { force: false }), {
    code: 'Conflict',
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${containerId.slice(0, 12)}`,
  });
  await assert.rejects(images.remove('app:1', { force: false }), {
    code: 'Conflict',
    message: `conflict: unable to remove repository reference "app:1" (must force) - container ${containerId.slice(0, 12)} is using its referenced image ${short}`,
  });
  assert.equal((await images.prune(new Map([['dangling', ['false']]]))).removed.length, 0);
  assert.ok(images.find('app:1'));

  const removed = await images.remove(id, { force: true });
  assert.deepEqual(removed.slice(0, 2), [{ Untagged: 'app:1' }, { Deleted: id }]);
  assert.equal(images.find(id), undefined);
  await assertEmpty(root, store);

  // By name it loses the name alone, as the container still stands on it.
  await load(images, [archive]);
  assert.deepEqual(await images.remove('app:1', { force: true }), [{ Untagged: 'app:1' }]);
  assert.ok(images.find(id));
});

async function assertWhole(store: Store, images: ImageService, name: string): Promise<void> {
  const image = await images.resolve(name);
  const blobs = [image.manifest, ...image.layers].map(({ digest }) => digest);
  for (const digest of [...blobs, image.id as string as Digest]) {
    assert.ok(await store.content.find(digest), `${name} lost blob ${digest}`);
  }
  for (const chainId of image.chainIds) {
    assert.ok(await store.snapshots.find(chainId), `${name} lost layer ${chainId}`);
  }
}

test('removing and pruning beside a load of an image that shares layers never take what it needs', async (t) => {
  const { root, store, images } = await openImages(t);
  const shared = [
    await tarOf([['small', 'x']]),
    await tarOf([['large', randomBytes(2 << 20)]]),
    await tarOf(Array.from({ length: 100 }, (_, index) => [`files/${index}`, `${index}`] as const)),
  ];
  const one = await archiveOf('one:1', [...shared, await tarOf([['one', '1']])]);
  const two = await archiveOf('two:1', [...shared, await tarOf([['two', '2']])]);
  for (let round = 0; round < 6; round++) {
    await load(images, piecesOf(one));
    const loading = load(images, piecesOf(two, (64 << (round % 4)) << 10));
    for (let turn = 0; turn < 3 * round; turn++) await new Promise(setImmediate);
    const removing =
      round % 2 === 0
        ? images.remove('one:1', { force: false })
        : images.prune(new Map([['dangling', ['false']]]));
    await Promise.all([loading, removing]);
    // A prune that found the image loaded already may have taken it, and then all of it.
    if (images.find('two:1') !== undefined) {
      await assertWhole(store, images, 'two:1');
      await images.remove('two:1', { force: false });
    }
    await assertEmpty(root, store);
  }
});

test('what repositories keep of a removed image are its blobs alone, not its unpacked layers', async (t) => {
  const { store, images } = await openImages(t);
  await load(images, [await archiveOf('app:1', [await tarOf([['a', 'x']])])]);
  const image = await images.resolve('app:1');
  const kept = [
    image.manifest.digest,
    image.id as string as Digest,
    ...image.layers.map(({ digest }) => digest),
  ];
  images.setKeptBeside(() => kept);
  await images.remove('app:1', { force: false });
  for (const digest of kept) assert.ok(await store.content.find(digest), `blob ${digest} is gone`);
  assert.deepEqual(await Array.fromAsync(store.snapshots.list()), []);
});
