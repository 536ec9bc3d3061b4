import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ProgressMessage } from '@slipway/api/docker';
import { computeDigest, parseManifest, parseReference } from '@slipway/oci';
import {
  layerOf,
  messagesOf,
  openEngine,
  putImage,
  putIndex,
  refuse,
  startRegistry,
  type TestRegistry,
} from './testing.ts';

const forever = new AbortController().signal;

type Engine = Awaited<ReturnType<typeof openEngine>>;

/** An image of one plain layer, as `docker import` makes it. */
async function importImage({ images }: Engine, name: string, content: string | Buffer = 'content') {
  const tar = await layerOf('file', content);
  const reference = { ...parseReference(name), tag: parseReference(name).tag ?? 'latest' };
  return await images.import(
    (async function* () {
      yield tar;
    })(),
    { reference, message: '', changes: [], platform: '', signal: forever },
  );
}

const pushTo = ({ transfer }: Engine, name: string, signal = forever): Promise<ProgressMessage[]> =>
  messagesOf(transfer.push({ reference: parseReference(name) }, signal));

const statusesOf = (messages: readonly ProgressMessage[]): (string | undefined)[] =>
  messages.map(({ status }) => status).filter((status) => !/ing$/.test(status ?? ''));

const uploadsOf = (registry: TestRegistry): string[] =>
  registry.requests.filter((request) => /^(?:PATCH|PUT .*\/blobs\/)/.test(request));

const setUp = async (t: TestContext) => {
  const registry = await startRegistry(t);
  return { registry, engine: await openEngine(t) };
};

test('a plain layer goes gzip’d, and another engine pulls the same image', async (t) => {
  const { registry, engine } = await setUp(t);
  const name = `${registry.domain}/team/app:1`;
  const image = await importImage(engine, name, randomBytes(2 << 20));
  const events: unknown[] = [];
  engine.events.listen(({ action, id }) => events.push([action, id]));
  const told = await pushTo(engine, name);
  assert.equal(told[0]?.status, `The push refers to repository [${registry.domain}/team/app]`);
  const pushed = registry.manifests.get('team/app')?.get('1');
  assert.ok(pushed);
  const digest = computeDigest(pushed.bytes);
  assert.deepEqual(told.slice(-2), [
    { status: `1: digest: ${digest} size: ${pushed.bytes.length}` },
    { progressDetail: {}, aux: { Tag: '1', Digest: digest, Size: pushed.bytes.length } },
  ]);
  const [layer] = parseManifest(pushed.bytes).layers;
  assert.equal(layer?.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
  const sent = registry.blobs.get('team/app')?.get(layer?.digest ?? '') as Buffer;
  assert.equal(computeDigest(gunzipSync(sent)), image.diffIds[0]);
  assert.deepEqual((await engine.images.resolve(name)).repoDigests, [
    `${registry.domain}/team/app@${digest}`,
  ]);
  assert.deepEqual(events, [['push', name]]);
  const other = await openEngine(t);
  await messagesOf(other.transfer.pull({ reference: parseReference(name) }, forever));
  const [chainId = ''] = (await other.images.resolve(image.id)).chainIds;
  const folder = await other.store.snapshots.upperPath(chainId);
  assert.equal(readFileSync(join(folder, 'file')).length, 2 << 20);
});

test('what the registry has is not compressed nor sent again, and is mounted into its other repositories', async (t) => {
  const { registry, engine } = await setUp(t);
  const image = await importImage(engine, `${registry.domain}/one:1`);
  await pushTo(engine, `${registry.domain}/one:1`);
  await engine.images.collectGarbage();
  registry.requests.length = 0;
  const again = await pushTo(engine, `${registry.domain}/one:1`);
  assert.ok(again.some(({ status }) => status === 'Layer already exists'));
  assert.ok(!again.some(({ status }) => status === 'Compressing'));
  assert.deepEqual(uploadsOf(registry), []);
  engine.images.tag(image.id, `${registry.domain}/two`, '1');
  const told = await pushTo(engine, `${registry.domain}/two:1`);
  assert.ok(told.some(({ status }) => status === `Mounted from ${registry.domain}/one`));
  assert.deepEqual(uploadsOf(registry), []);
  assert.deepEqual(registry.manifests.get('two')?.get('1'), registry.manifests.get('one')?.get('1'));
});

test('a twin that the registry has lost is made again', async (t) => {
  const { registry, engine } = await setUp(t);
  await importImage(engine, `${registry.domain}/one:1`);
  await pushTo(engine, `${registry.domain}/one:1`);
  await engine.images.collectGarbage();
  const before = registry.manifests.get('one')?.get('1');
  registry.blobs.clear();
  registry.manifests.clear();
  await pushTo(engine, `${registry.domain}/one:1`);
  assert.deepEqual(registry.manifests.get('one')?.get('1'), before);
  for (const { digest } of parseManifest(before?.bytes as Buffer).layers)
    assert.ok(registry.blobs.get('one')?.has(digest));
});

test('an image that was pulled goes on with its manifest as it came', async (t) => {
  const { registry, engine } = await setUp(t);
  const { descriptor } = putImage(registry, 'from', '1', {
    layers: [{ tar: await layerOf('a', 'a') }],
    family: 'docker',
    changeManifest: (manifest) => ({ ...manifest, annotations: { kept: 'as it is' } }),
  });
  const to = await startRegistry(t);
  await messagesOf(engine.transfer.pull({ reference: parseReference(`${registry.domain}/from:1`) }, forever));
  engine.images.tag(`${registry.domain}/from:1`, `${to.domain}/to`, '1');
  await pushTo(engine, `${to.domain}/to:1`);
  assert.equal(computeDigest(to.manifests.get('to')?.get('1')?.bytes as Buffer), descriptor.digest);
});

test('without a tag every tag of the repository goes', async (t) => {
  const { registry, engine } = await setUp(t);
  for (const tag of ['a', 'b']) await importImage(engine, `${registry.domain}/app:${tag}`, tag);
  await pushTo(engine, `${registry.domain}/app`);
  const tags = [...(registry.manifests.get('app')?.keys() ?? [])].filter((target) => !target.includes(':'));
  assert.deepEqual(tags, ['a', 'b']);
});

test('an image that is not here is refused before anything is sent', async (t) => {
  const { registry, engine } = await setUp(t);
  for (const name of [`${registry.domain}/no/such:1`, `${registry.domain}/no/such`]) {
    await assert.rejects(pushTo(engine, name), {
      code: 'NotFound',
      message: `An image does not exist locally with the tag: ${registry.domain}/no/such`,
    });
  }
  assert.deepEqual(registry.requests, []);
});

test('the engine’s own registry gets layers as they are', async (t) => {
  const registry = await startRegistry(t);
  const engine = await openEngine(t, { ownDomain: registry.domain });
  const image = await importImage(engine, `${registry.domain}/app:1`);
  const told = await pushTo(engine, `${registry.domain}/app:1`);
  assert.deepEqual(statusesOf(told).slice(1, 2), ['Pushed']);
  const manifest = registry.manifests.get('app')?.get('1')?.bytes as Buffer;
  assert.equal(computeDigest(manifest), image.manifest.digest);
  assert.ok(registry.requests.some((request) => /^POST .*mount=.*from=slipway/.test(request)));
});

test('a push that the registry refuses tells why, and leaves no lease', async (t) => {
  const { registry, engine } = await setUp(t);
  await importImage(engine, `${registry.domain}/app:1`);
  registry.intercept = (request, response) => {
    if (request.method !== 'POST') return false;
    refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
    return true;
  };
  await assert.rejects(pushTo(engine, `${registry.domain}/app:1`), {
    code: 'PermissionDenied',
    message: new RegExp(`^push access denied for ${registry.domain}/app: .*requested access to the resource`),
  });
  assert.deepEqual(engine.store.leases.list(), []);
});

test('a push stops when its reader goes', async (t) => {
  const { registry, engine } = await setUp(t);
  await importImage(engine, `${registry.domain}/app:1`, randomBytes(3 << 20));
  const waiting = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  registry.intercept = (request) => {
    if (request.method !== 'PATCH') return false;
    // Read, and never answered.
    request.resume().socket.once('close', () => closed.resolve());
    waiting.resolve();
    return true;
  };
  const leaving = new AbortController();
  const pushed = pushTo(engine, `${registry.domain}/app:1`, leaving.signal);
  await waiting.promise;
  leaving.abort(new Error('the client went'));
  await assert.rejects(pushed);
  await closed.promise;
  assert.deepEqual(engine.store.leases.list(), []);
});

test('an index of images from other repositories and registries is pushed with all that it names', async (t) => {
  const { registry, engine } = await setUp(t);
  const elsewhere = await startRegistry(t);
  const put = async (at: TestRegistry, repository: string, architecture: string) =>
    putImage(at, repository, '1', {
      layers: [{ tar: await layerOf('a', architecture) }],
      platform: { os: 'linux', architecture },
    });
  const here = await put(registry, 'here', 'amd64');
  const there = await put(elsewhere, 'there', 'arm64');
  putIndex(elsewhere, 'there', 'index', [(await put(elsewhere, 'there', 's390x')).descriptor]);
  const source = (name: string) => parseReference(name);
  const request = {
    target: parseReference(`${registry.domain}/app:multi`),
    sources: [
      source(`${registry.domain}/here:1`),
      source(`${elsewhere.domain}/there@${there.descriptor.digest}`),
      source(`${elsewhere.domain}/there:index`),
    ],
    credentials: () => undefined,
  };
  const { digest, manifests } = await engine.transfer.pushIndex(request, forever);
  assert.deepEqual(
    manifests.map(({ platform }) => platform?.architecture),
    ['amd64', 'arm64', 's390x'],
  );
  assert.equal(computeDigest(registry.manifests.get('app')?.get('multi')?.bytes as Buffer), digest);
  assert.ok(registry.requests.some((line) => line.startsWith('POST') && line.includes('from=here')));
  for (const { layers, id, descriptor } of [here, there]) {
    for (const blob of [id, ...layers.map((layer) => layer.digest)])
      assert.ok(registry.blobs.get('app')?.has(blob), blob);
    assert.ok(registry.manifests.get('app')?.has(descriptor.digest));
  }
  const platform = { os: 'linux', architecture: 'arm64' };
  await messagesOf(engine.transfer.pull({ reference: request.target, platform }, forever));
  assert.equal((await engine.images.resolve(`${registry.domain}/app:multi`)).id, there.id);
  await assert.rejects(
    engine.transfer.pushIndex({ ...request, sources: [...request.sources, ...request.sources] }, forever),
    { code: 'InvalidArgument', message: /are both for linux\/amd64/ },
  );
});
