import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hostPath, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { computeDigest, digestHex } from '@slipway/oci';
import { openStore, type WritableItem, writeTar } from '@slipway/store';
import fc from 'fast-check';
import { EventBus } from '../events/index.ts';
import { applyChanges } from './changes.ts';
import type { ImageUser } from './context.ts';
import { ImageService } from './service.ts';

const { signal } = new AbortController();

async function open(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'slipway-img-'));
  const store = await openStore({ root, clock: systemClock, random: systemRandom, logger: silentLogger });
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true });
  });
  const events = new EventBus(systemClock);
  const options = {
    store,
    events,
    clock: systemClock,
    logger: silentLogger,
    scratchRoot: hostPath(join(root, 'scratch')),
  };
  return { root, store, events, images: new ImageService(options), reopen: () => new ImageService(options) };
}

const lines = async (messages: AsyncIterable<{ stream?: string }>) =>
  (await Array.fromAsync(messages)).flatMap(({ stream }) => (stream === undefined ? [] : [stream]));

const tarOf = async (files: Readonly<Record<string, Buffer | string>>): Promise<Buffer> => {
  const items: WritableItem[] = Object.entries(files).map(([name, text]) => {
    const bytes = Buffer.from(text);
    return { entry: { name, sizeBytes: bytes.length }, body: [bytes] };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(items)));
};

/** A docker-archive of one image with one layer, as old dockers save it. */
async function dockerArchive({
  tag = 'app:1',
  diffId,
  layers = ['a/layer.tar'],
  labels = {},
}: {
  tag?: string;
  diffId?: string;
  layers?: string[];
  labels?: Record<string, string>;
} = {}): Promise<Buffer> {
  const layer = await tarOf({ 'etc/motd': 'hello\n' });
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Cmd: ['sh'], Env: ['A=1'], Labels: labels, ExposedPorts: { '80/tcp': {} } },
    rootfs: { type: 'layers', diff_ids: [diffId ?? computeDigest(layer)] },
    history: [{ created: '2024-01-02T03:04:05Z', created_by: 'test' }],
  });
  const configName = `${digestHex(computeDigest(config))}.json`;
  return await tarOf({
    'a/layer.tar': layer,
    [configName]: config,
    'manifest.json': JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: layers }]),
  });
}

const load = (images: ImageService, archive: Uint8Array, pieceBytes = 1000) => {
  async function* pieces() {
    for (let at = 0; at < archive.length; at += pieceBytes) yield archive.subarray(at, at + pieceBytes);
  }
  return lines(images.load(pieces(), { quiet: true, signal }));
};

async function leftovers(root: string): Promise<string[]> {
  const folders = ['content/blobs/sha256', 'content/ingest', 'snapshots'];
  return (await Promise.all(folders.map((folder) => readdir(join(root, folder)).catch(() => [])))).flat();
}

test('a docker-archive is loaded, found by every kind of name, and still there after a restart', async (t) => {
  const { images, reopen } = await open(t);
  assert.deepEqual(await load(images, await dockerArchive()), ['Loaded image: app:1\n']);
  for (const service of [images, reopen()]) {
    const image = await service.resolve('app:1');
    assert.deepEqual(image.config.ExposedPorts, ['80/tcp']);
    assert.deepEqual(image.repoTags, ['app:1']);
    for (const name of [image.id, image.id.slice(7), image.id.slice(7, 19), 'docker.io/library/app:1']) {
      assert.equal((await service.resolve(name)).id, image.id);
    }
  }
  await assert.rejects(images.resolve('app'), { code: 'NotFound', message: 'No such image: app:latest' });
});

test('what is saved is the same each time, and loads to the same image', async (t) => {
  const first = await open(t);
  const second = await open(t);
  await load(first.images, await dockerArchive());
  const saved = Buffer.concat(await Array.fromAsync(first.images.save(['app:1'])));
  assert.deepEqual(Buffer.concat(await Array.fromAsync(first.images.save(['app']))), saved);
  await load(second.images, gzipSync(saved));
  const [a, b] = [await first.images.resolve('app:1'), await second.images.resolve('app:1')];
  assert.equal(a.id, b.id);
  assert.deepEqual(a.manifest, b.manifest);
  assert.equal(a.sizeBytes, b.sizeBytes);
});

test('an archive that is cut off anywhere leaves nothing behind', async (t) => {
  const { root, images } = await open(t);
  const archive = await dockerArchive();
  for (const share of [0.01, 0.3, 0.5, 0.7]) {
    await assert.rejects(load(images, archive.subarray(0, Math.floor(archive.length * share))));
    assert.deepEqual(await leftovers(root), []);
  }
  await assert.rejects(load(images, gzipSync(archive).subarray(0, 200)), { code: 'DataLoss' });
  assert.deepEqual(await leftovers(root), []);
});

test('an archive that lies is refused, says how, and leaves nothing behind', async (t) => {
  const { root, images } = await open(t);
  const lie = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(load(images, await dockerArchive({ diffId: lie })), {
    code: 'DataLoss',
    message: /a\/layer\.tar/,
  });
  await assert.rejects(load(images, await dockerArchive({ layers: ['b/layer.tar'] })), {
    code: 'InvalidArgument',
    message: /b\/layer\.tar/,
  });
  await assert.rejects(load(images, await dockerArchive({ layers: [] })), {
    message: /layers length mismatch/,
  });
  await assert.rejects(load(images, await dockerArchive({ layers: ['../../etc/passwd'] })), {
    code: 'InvalidArgument',
  });
  await assert.rejects(load(images, await tarOf({ '../evil': 'x' })), {
    code: 'InvalidArgument',
    message: /outside/,
  });
  await assert.rejects(
    load(images, await tarOf({ [`blobs/sha256/${'0'.repeat(64)}`]: 'x'.repeat(2_000_000) })),
    {
      code: 'DataLoss',
    },
  );
  await assert.rejects(load(images, await tarOf({ 'etc/motd': 'x' })), {
    code: 'InvalidArgument',
    message: /import/,
  });
  await assert.rejects(load(images, await tarOf({ 'manifest.json': '[{' })), { code: 'InvalidArgument' });
  await assert.rejects(load(images, Buffer.from('fd377a585a000000', 'hex')), {
    code: 'DataLoss',
    message: /cannot be decompressed: xz/,
  });
  assert.deepEqual(await leftovers(root), []);
});

test('whatever bytes come, the reader refuses them and leaves nothing behind', async (t) => {
  const { root, images } = await open(t);
  const archive = await dockerArchive();
  await fc.assert(
    fc.asyncProperty(
      fc.nat(archive.length - 1),
      fc.uint8Array({ minLength: 1, maxLength: 600 }),
      async (at, bytes) => {
        const damaged = Buffer.from(archive);
        damaged.set(bytes.subarray(0, damaged.length - at), at);
        await load(images, damaged).catch(() => {});
        for (const { image } of await images.list({ filters: new Map() }))
          await images.remove(image.id, { force: true });
        assert.deepEqual(await leftovers(root), []);
      },
    ),
    { numRuns: 40 },
  );
});

test('a name in use, and an image in several repositories, are refused in docker’s words', async (t) => {
  const { root, images } = await open(t);
  await load(images, await dockerArchive());
  const { id } = await images.resolve('app:1');
  images.tag('app:1', 'other', '2');
  await assert.rejects(images.remove(id, { force: false }), {
    code: 'Conflict',
    message: `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
  });
  assert.deepEqual(await images.remove('other:2', { force: false }), [{ Untagged: 'other:2' }]);
  const containerId = 'c'.repeat(64);
  let users: ImageUser[] = [{ kind: 'container', id: containerId, running: true }];
  images.addUsers(() => users);
  await assert.rejects(images.remove('app:1', { force: false }), {
    message: `conflict: unable to remove repository reference "app:1" (must force) - container ${containerId.slice(0, 12)} is using its referenced image ${id.slice(7, 19)}`,
  });
  await assert.rejects(images.remove(id, { force: true }), {
    message: /\(cannot be forced\) - image is being used by running container/,
  });
  users = [{ kind: 'function', id: 'hello', running: true }];
  await assert.rejects(images.remove('app:1', { force: false }), {
    message: `conflict: unable to remove repository reference "app:1" (must force) - function hello is using its referenced image ${id.slice(7, 19)}`,
  });
  assert.equal((await images.list({ filters: new Map() }))[0]?.containers, 0);
  users = [];
  const removed = await images.remove(id, { force: false });
  assert.deepEqual(removed.slice(0, 2), [{ Untagged: 'app:1' }, { Deleted: id }]);
  assert.deepEqual(await leftovers(root), []);
});

test('filters narrow the list, and prune removes what has no name', async (t) => {
  const { root, images } = await open(t);
  await load(images, await dockerArchive({ tag: 'app:1', labels: { tier: 'web' } }));
  await load(images, await dockerArchive({ tag: 'reg.example:5000/team/app:1', labels: { tier: 'db' } }));
  const names = async (filters: Record<string, string[]>) =>
    (await images.list({ filters: new Map(Object.entries(filters)) }))
      .flatMap(({ repoTags }) => repoTags)
      .sort();
  assert.deepEqual(await names({ reference: ['app'] }), ['app:1']);
  assert.deepEqual(await names({ reference: ['*/*/app:*'] }), ['reg.example:5000/team/app:1']);
  assert.deepEqual(await names({ label: ['tier=db'] }), ['reg.example:5000/team/app:1']);
  assert.deepEqual(await names({ 'label!': ['tier=db'] }), ['app:1']);
  assert.deepEqual(await names({ until: ['24h'] }), ['app:1', 'reg.example:5000/team/app:1']);
  await assert.rejects(names({ reference: ['['] }), { code: 'InvalidArgument' });
  assert.deepEqual(await names({ dangling: ['true'] }), []);
  await load(images, await dockerArchive({ tag: 'app:1', labels: { tier: 'new' } }));
  const { removed } = await images.prune(new Map());
  assert.equal(removed.length, 1);
  assert.equal((await images.prune(new Map([['dangling', ['false']]]))).freedBytes > 0, true);
  assert.deepEqual(await leftovers(root), []);
});

test('an import is an image of one layer with the changes asked for', async (t) => {
  const { root, images } = await open(t);
  const archive = await tarOf({ 'etc/motd': 'hello' });
  const options = {
    reference: undefined,
    message: '',
    platform: '',
    changes: ['CMD ["sh"]', 'ENV A=1 B="2 3"'],
    signal,
  };
  const image = await images.import([gzipSync(archive)] as unknown as AsyncIterable<Uint8Array>, options);
  assert.deepEqual(image.config.Cmd, ['sh']);
  assert.deepEqual(image.config.Env, ['A=1', 'B=2 3']);
  assert.deepEqual(image.diffIds, [computeDigest(archive)]);
  await images.remove(image.id, { force: false });
  await assert.rejects(images.import(tarPieces(archive.subarray(0, 515)), options), { code: 'DataLoss' });
  assert.deepEqual(await leftovers(root), []);
});

async function* tarPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test('instructions of a change read as in a Dockerfile', () => {
  assert.deepEqual(applyChanges(['cmd echo hi', 'EXPOSE 80 53/udp', 'WORKDIR /srv', 'LABEL a=b c="d e"']), {
    Cmd: ['/bin/sh', '-c', 'echo hi'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    WorkingDir: '/srv',
    Labels: { a: 'b', c: 'd e' },
  });
  assert.deepEqual(applyChanges(['HEALTHCHECK --interval=1m30s --retries=2 CMD true']).Healthcheck, {
    Interval: 90e9,
    Retries: 2,
    Test: ['CMD-SHELL', 'true'],
  });
  assert.throws(() => applyChanges(['RUN true']), { code: 'InvalidArgument' });
});

test('bootstrap makes the same busybox each time', async (t) => {
  const first = await open(t);
  const second = await open(t);
  for (const { images } of [first, second]) {
    await Array.fromAsync(images.bootstrap({ image: 'busybox', name: '', signal }));
  }
  assert.equal((await first.images.resolve('busybox')).id, (await second.images.resolve('busybox')).id);
  await assert.rejects(Array.fromAsync(first.images.bootstrap({ image: 'nginx', name: '', signal })), {
    code: 'InvalidArgument',
    message: /busybox, debian/,
  });
});
