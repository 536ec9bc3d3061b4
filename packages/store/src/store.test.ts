import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { computeChainIds, computeDigest, type DiffId } from '@slipway/oci';
import type { LayerForm } from './snapshots/snapshots.ts';
import { openStore, type Store } from './store.ts';
import { formatTarHeader, TAR_END, tarPadding } from './tar/writer.ts';

const open = (root: string, layerForm?: LayerForm) =>
  openStore({ root, clock: systemClock, random: systemRandom, logger: silentLogger, layerForm });

async function withStore(
  work: (store: Store, root: string) => Promise<void>,
  layerForm?: LayerForm,
): Promise<void> {
  const root = mkdtempSync('/tmp/slipway-store-');
  try {
    await using store = await open(root, layerForm);
    await work(store, root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** A test of what holds however layers are kept. */
function testLayers(name: string, work: (store: Store, root: string) => Promise<void>): void {
  for (const form of ['image', 'files'] as const) test(`${name} (${form})`, () => withStore(work, form));
}

function layer(name: string, text = name): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([
    formatTarHeader({ name, sizeBytes: body.length }),
    body,
    tarPadding(body.length),
    TAR_END,
  ]);
}

const diffIdOf = (bytes: Buffer) => computeDigest(bytes) as DiffId;

async function assertNoSnapshots(store: Store, root: string): Promise<void> {
  assert.deepEqual(await Array.fromAsync(store.snapshots.list()), []);
  assert.deepEqual(readdirSync(join(root, 'snapshots')), []);
}

test('a blob appears at commit only, and not when it is not what it was said to be', async () => {
  await withStore(async ({ content }, root) => {
    const digest = computeDigest('hello');
    {
      await using ingest = await content.ingest({ digest });
      await ingest.write(Buffer.from('hel'));
      assert.equal(await content.find(digest), undefined);
      await ingest.write(Buffer.from('lo'));
      assert.equal((await ingest.commit({ sizeBytes: 5 })).sizeBytes, 5);
    }
    assert.equal((await content.read(digest)).toString(), 'hello');
    await using lying = await content.ingest({ digest });
    await lying.write(Buffer.from('other'));
    await assert.rejects(lying.commit(), { code: 'DataLoss' });
    await lying[Symbol.asyncDispose]();
    assert.deepEqual(readdirSync(join(root, 'content/ingest')), []);
    await content.delete(digest);
    await assert.rejects(content.info(digest), { code: 'NotFound' });
  });
});

test('a blob that was damaged on disk is not read as if it were whole', async () => {
  await withStore(async ({ content }) => {
    const { digest } = await content.write(Buffer.from('precious'));
    writeFileSync(await content.path(digest), 'Precious');
    await assert.rejects(content.read(digest), { code: 'DataLoss' });
  });
});

testLayers('layers of every compression become a stack that overlayfs can mount', async (store) => {
  const tars = [layer('a'), layer('b'), layer('c')];
  const blobs = [tars[0] as Buffer, gzipSync(tars[1] as Buffer), zstdCompressSync(tars[2] as Buffer)];
  const infos = await Promise.all(blobs.map((blob) => store.content.write(blob)));
  const diffIds = tars.map(diffIdOf);
  const request = {
    diffIds,
    openLayer: (index: number) => store.content.source(infos[index]?.digest as DiffId),
  };
  const tops = await Promise.all([store.unpackImage(request), store.unpackImage(request)]);
  assert.deepEqual(tops, [computeChainIds(diffIds)[2], computeChainIds(diffIds)[2]]);
  const { lower } = await store.snapshots.prepare('container', tops[0]);
  assert.deepEqual(
    lower.map((path) => readdirSync(path)),
    [['c'], ['b'], ['a']],
  );
});

testLayers('a layer unpacks while it is still being received', async (store) => {
  const tar = layer('late', 'x'.repeat(100_000));
  await using ingest = await store.content.ingest();
  await ingest.write(tar.subarray(0, 50_000));
  const unpacked = store.unpackImage({ diffIds: [diffIdOf(tar)], openLayer: () => ingest.source() });
  await ingest.write(tar.subarray(50_000));
  await ingest.commit();
  assert.equal(await unpacked, diffIdOf(tar));
});

testLayers('layers that do not arrive hold up none that are here', async (store) => {
  await using held = new AsyncDisposableStack();
  const stop = new AbortController();
  const stalled: Promise<unknown>[] = [];
  for (let index = 0; index < availableParallelism(); index++) {
    const ingest = held.use(await store.content.ingest());
    const diffIds = [diffIdOf(layer(`stalled ${index}`))];
    const request = { diffIds, openLayer: () => ingest.source(), signal: stop.signal };
    stalled.push(store.unpackImage(request).catch(() => {}));
  }
  const tar = layer('here');
  const { digest } = await store.content.write(tar);
  const openLayer = () => store.content.source(digest);
  assert.equal(await store.unpackImage({ diffIds: [diffIdOf(tar)], openLayer }), diffIdOf(tar));
  stop.abort();
  await Promise.all(stalled);
});

testLayers(
  'a layer begun before its image is known is taken by it, refused when it is another, and gone when nobody takes it',
  async (store, root) => {
    const tar = layer('early', 'x'.repeat(100_000));
    const { digest } = await store.content.write(tar);
    const source = () => store.content.source(digest);
    {
      await using _unclaimed = store.unpackAhead(await source());
    }
    await assertNoSnapshots(store, root);
    for (const diffId of [diffIdOf(layer('other')), diffIdOf(tar)]) {
      {
        await using early = store.unpackAhead(await source());
        const ahead = () => ({ layer: early, blob: digest });
        const unpacked = store.unpackImage({ diffIds: [diffId], openLayer: source, ahead });
        if (diffId === diffIdOf(tar)) assert.equal(await unpacked, diffId);
        else await assert.rejects(unpacked, { code: 'DataLoss' });
      }
      if (diffId !== diffIdOf(tar)) await assertNoSnapshots(store, root);
    }
  },
);

testLayers('a lying, truncated or damaged layer is DataLoss and leaves nothing', async (store, root) => {
  const tar = layer('file', 'y'.repeat(5000));
  const gzip = gzipSync(tar);
  const damaged = Buffer.from(gzip);
  damaged.fill(0xff, 30, 40);
  const changed = gzipSync(tar, { level: 0 });
  changed[3000] = 0x7a;
  for (const blob of [layer('other'), tar.subarray(0, 2000), gzip.subarray(0, 60), damaged, changed]) {
    const { digest } = await store.content.write(blob);
    const unpacked = store.unpackImage({
      diffIds: [diffIdOf(tar)],
      openLayer: () => store.content.source(digest),
    });
    await assert.rejects(unpacked, { code: 'DataLoss' });
    await assertNoSnapshots(store, root);
  }
});

testLayers('canceling an unpack that waits for its bytes ends it and leaves nothing', async (store, root) => {
  await using ingest = await store.content.ingest();
  const stop = new AbortController();
  const unpacked = store.unpackImage({
    diffIds: [diffIdOf(layer('a'))],
    openLayer: () => ingest.source(),
    signal: stop.signal,
  });
  setImmediate(() => stop.abort());
  await assert.rejects(unpacked);
  await assertNoSnapshots(store, root);
});

for (const form of ['image', 'files'] as const)
  test(`a full disk is ResourceExhausted and leaves nothing (${form})`, async () => {
    const folder = mkdtempSync('/tmp/slipway-store-');
    const [disk, root] = [join(folder, 'disk'), join(folder, 'root')];
    mkdirSync(root);
    execFileSync('mkfs.ext4', ['-q', '-O', '^has_journal', disk, '4m'], { stdio: 'ignore' });
    execFileSync('mount', ['-o', 'loop', disk, root]);
    try {
      await using store = await open(root, form);
      const tar = layer('large', 'z'.repeat(6 << 20));
      const { digest } = await store.content.write(gzipSync(tar));
      const unpacked = store.unpackImage({
        diffIds: [diffIdOf(tar)],
        openLayer: () => store.content.source(digest),
      });
      await assert.rejects(unpacked, { code: 'ResourceExhausted', reason: 'ENOSPC' });
      await assertNoSnapshots(store, root);
    } finally {
      execFileSync('umount', [root]);
      rmSync(folder, { recursive: true });
    }
  });

test('what a crash left half done is gone after the next start, what was committed stays', async () => {
  const root = mkdtempSync('/tmp/slipway-store-');
  try {
    {
      await using store = await open(root);
      await store.snapshots.prepare('kept', undefined);
      await store.snapshots.prepare('unpack-0', undefined);
      mkdirSync(join(root, 'snapshots/99/fs'), { recursive: true });
      writeFileSync(join(root, 'content/ingest/left'), 'x');
    }
    await using store = await open(root);
    assert.deepEqual(
      (await Array.fromAsync(store.snapshots.list())).map(({ key }) => key),
      ['kept'],
    );
    assert.deepEqual(readdirSync(join(root, 'snapshots')), ['1']);
    assert.deepEqual(readdirSync(join(root, 'content/ingest')), []);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('garbage collection keeps what roots and leases need, with all it refers to', async () => {
  await withStore(async (store) => {
    const tar = layer('a');
    const layerBlob = await store.content.write(tar);
    const config = await store.content.write(
      Buffer.from(
        JSON.stringify({
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: [diffIdOf(tar)] },
        }),
      ),
    );
    const describe = ({ digest, sizeBytes }: typeof config) => ({ mediaType: 'x', digest, size: sizeBytes });
    const manifest = await store.content.write(
      Buffer.from(
        JSON.stringify({ schemaVersion: 2, config: describe(config), layers: [describe(layerBlob)] }),
      ),
    );
    const stray = await store.content.write(Buffer.from('stray'));
    const leased = await store.content.write(Buffer.from('leased'));
    await store.unpackImage({
      diffIds: [diffIdOf(tar)],
      openLayer: () => store.content.source(layerBlob.digest),
    });
    const lease = store.leases.acquire({ resources: { blobs: [leased.digest] } });
    const roots = () => ({ blobs: [manifest.digest] });
    assert.deepEqual((await store.collectGarbage({ roots })).blobs, [stray.digest]);
    assert.ok(await store.snapshots.find(diffIdOf(tar)));
    await lease[Symbol.asyncDispose]();
    assert.deepEqual((await store.collectGarbage({ roots })).blobs, [leased.digest]);
    const all = await store.collectGarbage({ roots: () => ({}) });
    assert.equal(all.blobs.length, 3);
    assert.deepEqual(all.snapshots, [diffIdOf(tar)]);
  });
});

test('what was leased, or was being committed, while garbage is collected stays, though its lease has ended', async () => {
  await withStore(async (store) => {
    const tar = layer('a');
    const { digest } = await store.content.write(tar);
    const openLayer = () => store.content.source(digest);
    const request = { diffIds: [diffIdOf(tar)], openLayer };
    await store.unpackImage(request);
    const collected = await store.collectGarbage({
      roots: async () => {
        await using lease = store.leases.acquire();
        lease.add({ blobs: [digest], snapshots: [diffIdOf(tar)] });
        await store.unpackImage(request);
        return {};
      },
    });
    assert.deepEqual([collected.blobs, collected.snapshots], [[], []]);

    for (let round = 0; round < 20; round++) {
      await using ingest = await store.content.ingest();
      await ingest.write(tar);
      const committing = ingest.commit().then((info) => store.content.find(info.digest));
      for (let turn = 0; turn < round; turn++) await new Promise(setImmediate);
      const [found] = await Promise.all([committing, store.collectGarbage({ roots: () => ({}) })]);
      assert.ok(found, `round ${round}`);
    }
  });
});

test('a parent cannot be removed while a snapshot stands on it', async () => {
  await withStore(async ({ snapshots }) => {
    await snapshots.prepare('work', undefined);
    writeFileSync(join(await snapshots.upperPath('work'), 'f'), 'text');
    await snapshots.commit('base', 'work');
    const { lower } = await snapshots.prepare('child', 'base');
    assert.equal(readFileSync(join(lower[0] as string, 'f'), 'utf8'), 'text');
    await assert.rejects(snapshots.remove('base'), { code: 'FailedPrecondition' });
    await assert.rejects(snapshots.prepare('child', 'base'), { code: 'AlreadyExists' });
    await snapshots.remove('child');
    await snapshots.remove('base');
    await assert.rejects(snapshots.stat('base'), { code: 'NotFound' });
  });
});

const openMounts = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === '/';
    } catch {
      return false;
    }
  }).length;

test('a layer that is an image outlives its blob, is mounted once however often it is asked for, and not when it is gone', async () => {
  const mountsBefore = openMounts();
  await withStore(async (store, root) => {
    const tar = layer('file', 'text');
    const { digest } = await store.content.write(tar);
    const openLayer = () => store.content.source(digest);
    const top = (await store.unpackImage({ diffIds: [diffIdOf(tar)], openLayer })) as string;
    assert.equal(
      statSync(join(root, 'snapshots/1/layer.tar')).ino,
      statSync(await store.content.path(digest)).ino,
    );
    await store.content.delete(digest);
    assert.equal(openMounts(), mountsBefore);
    for (const key of ['one', 'two']) {
      const { lower } = await store.snapshots.prepare(key, top);
      assert.equal(readFileSync(join(lower[0] as string, 'file'), 'utf8'), 'text');
      assert.equal(openMounts(), mountsBefore + 1);
      await store.snapshots.remove(key);
    }
    await store.snapshots.remove(top);
    assert.equal(openMounts(), mountsBefore);
    assert.deepEqual(readdirSync(join(root, 'snapshots')), []);
  }, 'image');
});

test('layers of both forms are there after the next start, and stand on each other', async () => {
  const root = mkdtempSync('/tmp/slipway-store-');
  const mountsBefore = openMounts();
  try {
    const tars = [layer('a'), layer('b'), layer('c')];
    const diffIds = tars.map(diffIdOf);
    for (const [index, form] of (['files', 'image', 'files'] as const).entries()) {
      await using store = await open(root, form);
      const openLayer = async (at: number) =>
        store.content.source((await store.content.write(tars[at] as Buffer)).digest);
      await store.unpackImage({ diffIds: diffIds.slice(0, index + 1), openLayer });
    }
    await using store = await open(root, 'files');
    const top = computeChainIds(diffIds)[2] as string;
    const { lower } = await store.snapshots.mounts(top);
    assert.deepEqual(
      lower.map((path) => readdirSync(path)),
      [['c'], ['b'], ['a']],
    );
    assert.equal(openMounts(), mountsBefore + 1);
  } finally {
    rmSync(root, { recursive: true });
  }
  assert.equal(openMounts(), mountsBefore);
});

test('an image can be committed again above another parent, without its bytes a second time', async () => {
  await withStore(async (store, root) => {
    const tars = [layer('a'), layer('b')];
    for (const tar of tars) {
      const { digest } = await store.content.write(tar);
      const openLayer = () => store.content.source(digest);
      await store.unpackImage({ diffIds: [diffIdOf(tar)], openLayer });
    }
    const [a, b] = tars.map(diffIdOf) as [DiffId, DiffId];
    assert.ok(await store.snapshots.linkImage('b-on-a', b, a));
    await assert.rejects(store.snapshots.linkImage('b-on-a', b, a), { code: 'AlreadyExists' });
    const { lower } = await store.snapshots.mounts('b-on-a');
    assert.deepEqual(
      lower.map((path) => readdirSync(path)),
      [['b'], ['a']],
    );
    assert.equal(
      statSync(join(root, 'snapshots/3/layer.tar')).ino,
      statSync(join(root, 'snapshots/2/layer.tar')).ino,
    );
    assert.deepEqual(readdirSync(join(root, 'snapshots')), ['1', '2', '3']);
    await store.snapshots.prepare('work', undefined);
    await store.snapshots.commit('files', 'work');
    assert.equal(await store.snapshots.linkImage('files-on-a', 'files', a), false);
  }, 'image');
});
