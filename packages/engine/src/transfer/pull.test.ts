import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ProgressMessage } from '@slipway/api/docker';
import { shortId } from '@slipway/base';
import { hostPlatform, parsePlatform, parseReference } from '@slipway/oci';
import {
  layerOf,
  messagesOf,
  openEngine,
  putImage,
  putIndex,
  putManifest,
  startRegistry,
  type TestImage,
  type TestRegistry,
} from './testing.ts';

const forever = new AbortController().signal;

const setUp = async (t: TestContext) => {
  const registry = await startRegistry(t);
  const engine = await openEngine(t);
  const pull = (name: string, options: { platform?: string; allTags?: boolean; signal?: AbortSignal } = {}) =>
    messagesOf(
      engine.transfer.pull(
        {
          reference: parseReference(`${registry.domain}/${name}`),
          allTags: options.allTags,
          platform: options.platform === undefined ? undefined : parsePlatform(options.platform),
        },
        options.signal ?? forever,
      ),
    );
  return { registry, engine, pull };
};

const requestsFor = (registry: TestRegistry, what: RegExp): string[] =>
  registry.requests.filter((request) => what.test(request));

const textOf = ({ id, status }: ProgressMessage): string =>
  id === undefined ? `${status}` : `${id}: ${status}`;

test('a pull brings every kind of layer, tells it in docker’s words, and names the image', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const layers = [
    { tar: await layerOf('zipped', 'one'), compression: 'gzip' as const },
    { tar: await layerOf('plain', 'two'), compression: 'none' as const },
    { tar: await layerOf('zstd', 'three'), compression: 'zstd' as const },
  ];
  const events: unknown[] = [];
  engine.events.listen(({ action, id, attributes }) => events.push([action, id, attributes]));
  const put = putImage(registry, 'team/app', 'v1', { layers, platform: hostPlatform() });
  const other = putImage(registry, 'team/app', 'other', {
    layers,
    platform: { os: 'linux', architecture: 's390x' },
  });
  const index = putIndex(registry, 'team/app', 'v1', [other.descriptor, put.descriptor]);
  const name = `${registry.domain}/team/app`;
  const told = (await pull('team/app:v1')).map(textOf);
  assert.equal(told[0], 'v1: Pulling from team/app');
  const [first = ''] = put.layers.map(({ digest }) => shortId(digest));
  assert.deepEqual(
    told.filter((line, at) => line.startsWith(first) && told.lastIndexOf(line) === at),
    [
      `${first}: Pulling fs layer`,
      `${first}: Downloading`,
      `${first}: Verifying Checksum`,
      `${first}: Download complete`,
      `${first}: Extracting`,
      `${first}: Pull complete`,
    ],
  );
  assert.deepEqual(told.slice(-2), [
    `Digest: ${index.digest}`,
    `Status: Downloaded newer image for ${name}:v1`,
  ]);
  const image = await engine.images.resolve(`${name}:v1`);
  assert.deepEqual(
    [image.id, image.repoTags, image.repoDigests, image.manifest.digest],
    [put.id, [`${name}:v1`], [`${name}@${index.digest}`], put.descriptor.digest],
  );
  const folders = await Promise.all(image.chainIds.map((id) => engine.store.snapshots.upperPath(id)));
  assert.deepEqual(
    ['zipped', 'plain', 'zstd'].map((file, at) => readFileSync(join(folders[at] as string, file), 'utf8')),
    ['one', 'two', 'three'],
  );
  assert.deepEqual(events, [['pull', `${name}:v1`, { made: 'here', name }]]);
  assert.deepEqual(engine.store.leases.list(), []);
  assert.deepEqual(await Array.fromAsync(engine.store.content.listIngests()), []);
});

test('what is there already is asked for by HEAD alone', async (t) => {
  const { registry, pull } = await setUp(t);
  putImage(registry, 'app', 'latest', { layers: [{ tar: await layerOf('a', 'a') }] });
  await pull('app');
  registry.requests.length = 0;
  const told = (await pull('app')).map(textOf);
  assert.equal(told.at(-1), `Status: Image is up to date for ${registry.domain}/app:latest`);
  assert.deepEqual(registry.requests, ['HEAD /v2/app/manifests/latest']);
});

test('a tag that moved brings only the layers that are new', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const below = { tar: await layerOf('below', 'same') };
  putImage(registry, 'app', 'latest', { layers: [below] });
  await pull('app');
  registry.requests.length = 0;
  const { layers, id } = putImage(registry, 'app', 'latest', {
    layers: [below, { tar: await layerOf('above', 'new') }],
  });
  const told = (await pull('app')).map(textOf);
  assert.ok(told.includes(`${shortId(layers[0]?.digest ?? '')}: Already exists`));
  assert.equal(requestsFor(registry, new RegExp(`GET .*${layers[0]?.digest}`)).length, 0);
  assert.equal((await engine.images.resolve(`${registry.domain}/app`)).id, id);
});

test('a pull by digest keeps the digest and no tag', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const { descriptor, id } = putImage(registry, 'app', 'x', { layers: [{ tar: await layerOf('a', 'a') }] });
  await pull(`app:x@${descriptor.digest}`);
  const image = await engine.images.resolve(id);
  assert.deepEqual(
    [image.repoTags, image.repoDigests],
    [[], [`${registry.domain}/app@${descriptor.digest}`]],
  );
});

test('all tags come when none is named', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  for (const tag of ['1', '2'])
    putImage(registry, 'app', tag, { layers: [{ tar: await layerOf('a', tag) }] });
  const told = (await pull('app', { allTags: true })).map(textOf);
  assert.equal(told.at(-1), `Status: Downloaded newer image for ${registry.domain}/app`);
  assert.deepEqual(
    engine.images.tagsOf(parseReference(`${registry.domain}/app`)).map(({ tag }) => tag),
    ['1', '2'],
  );
});

test('the platform that is asked for is chosen, with older variants in the newer’s stead', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const tar = await layerOf('a', 'a');
  const put = (architecture: string, variant?: string) =>
    putImage(registry, 'app', `${architecture}${variant}`, {
      layers: [{ tar }],
      platform: { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) },
    });
  const attestation = { ...put('x').descriptor, platform: { os: 'unknown', architecture: 'unknown' } };
  const images = [put('amd64'), put('arm', 'v6'), put('arm', 'v5'), put('arm64', 'v8')];
  putIndex(registry, 'app', 'latest', [attestation, ...images.map(({ descriptor }) => descriptor)]);
  const chosen: (string | undefined)[] = [];
  for (const platform of ['linux/amd64/v3', 'linux/arm/v7', 'linux/arm/v5', 'linux/arm64']) {
    await pull('app', { platform });
    const { architecture, variant = '' } = await engine.images.resolve(`${registry.domain}/app`);
    chosen.push(architecture + variant);
  }
  assert.deepEqual(chosen, ['amd64', 'armv6', 'armv5', 'arm64v8']);
  await assert.rejects(pull('app', { platform: 'linux/riscv64' }), {
    code: 'NotFound',
    message: /^no matching manifest for linux\/riscv64 in the manifest list entries/,
  });
  await assert.rejects(pull('app:amd64undefined', { platform: 'linux/arm64' }), {
    message: /does not match the specified platform: wanted linux\/arm64, actual: linux\/amd64$/,
  });
});

test('fifty pulls of one image fetch each blob once, and all of them hear how it goes', async (t) => {
  const { registry, pull } = await setUp(t);
  const layers = await Promise.all(
    [1, 2, 3].map(async (at) => ({ tar: await layerOf(`f${at}`, randomBytes(300_000)) })),
  );
  putImage(registry, 'app', 'latest', { layers });
  const told = await Promise.all(Array.from({ length: 50 }, () => pull('app')));
  assert.equal(new Set(told.map((messages) => messages.map(textOf).at(-1))).size, 1);
  for (const messages of told)
    assert.equal(messages.filter(({ status }) => status === 'Pull complete').length, 3);
  assert.equal(requestsFor(registry, /^GET .*\/blobs\//).length, 4);
});

test('a layer that two images have is fetched once for pulls at the same time', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const shared = { tar: await layerOf('shared', randomBytes(500_000)) };
  const [one, two] = await Promise.all([layerOf('one', '1'), layerOf('two', '2')]);
  const { layers } = putImage(registry, 'one', 'latest', { layers: [shared, { tar: one }] });
  // Below another layer, so that it is another snapshot.
  putImage(registry, 'two', 'latest', { layers: [{ tar: two }, shared] });
  await Promise.all([pull('one'), pull('two')]);
  assert.equal(requestsFor(registry, new RegExp(`^GET .*${layers[0]?.digest}`)).length, 1);
  for (const name of ['one', 'two']) {
    const image = await engine.images.resolve(`${registry.domain}/${name}`);
    const folders = await Promise.all(image.chainIds.map((id) => engine.store.snapshots.upperPath(id)));
    assert.ok(folders.some((folder) => existsSync(join(folder, 'shared'))));
  }
});

/** A layer said to be what it is not, and what the answer must say. */
const REFUSED: readonly (readonly [what: string, change: Partial<TestImage>, message: RegExp])[] = [
  [
    'a configuration with other layers',
    { changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [] } }) },
    /has 1 layers, and its configuration 0 diffIDs/,
  ],
  [
    'a diffID that is not the layer’s',
    {
      changeConfig: (config) => ({
        ...config,
        rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] },
      }),
    },
    /was said to unpack to diffID sha256:aaaa/,
  ],
  [
    'windows',
    { changeConfig: (config) => ({ ...config, os: 'windows' }) },
    /image operating system "windows" cannot be used/,
  ],
  [
    'a foreign layer',
    {
      changeManifest: (manifest) =>
        changeLayer(manifest, { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }),
    },
    /which registries do not hold/,
  ],
  [
    'an unknown layer',
    { changeManifest: (manifest) => changeLayer(manifest, { mediaType: 'text/plain' }) },
    /has the unknown media type text\/plain/,
  ],
  [
    'a layer of another algorithm',
    { changeManifest: (manifest) => changeLayer(manifest, { digest: `sha512:${'a'.repeat(128)}` }) },
    /only sha256/,
  ],
  [
    'a layer of another length',
    { changeManifest: (manifest) => changeLayer(manifest, { size: 3 }) },
    /127\.0\.0\.1.* should have 3 bytes/,
  ],
  [
    'too many layers',
    {
      changeManifest: (manifest) => ({
        ...manifest,
        layers: Array(600).fill((manifest['layers'] as object[])[0]),
      }),
    },
    /has 600 layers, more than the 512 allowed/,
  ],
  [
    'an artifact',
    {
      changeManifest: (manifest) => ({
        ...manifest,
        artifactType: 'application/vnd.acme.rocket',
        config: { ...(manifest['config'] as object), mediaType: 'application/vnd.oci.empty.v1+json' },
      }),
    },
    /is no container image: .* application\/vnd\.acme\.rocket/,
  ],
];

const changeLayer = (manifest: Record<string, unknown>, change: object) => ({
  ...manifest,
  layers: (manifest['layers'] as object[]).map((layer) => ({ ...layer, ...change })),
});

for (const [what, change, message] of REFUSED) {
  test(`${what} is refused, and no image is made of it`, async (t) => {
    const { registry, engine, pull } = await setUp(t);
    putImage(registry, 'app', 'latest', { layers: [{ tar: await layerOf('a', 'a') }], ...change });
    await assert.rejects(pull('app'), { message });
    assert.equal(engine.images.count, 0);
  });
}

test('an index of itself all the way down is refused', async (t) => {
  const { registry, pull } = await setUp(t);
  const platform = { ...hostPlatform() };
  let { descriptor } = putImage(registry, 'app', 'x', { layers: [], platform: hostPlatform() });
  for (let depth = 0; depth < 8; depth++) {
    const index = putIndex(registry, 'app', 'latest', [descriptor]);
    descriptor = { ...index, platform };
  }
  await assert.rejects(pull('app'), { message: /is an index of indexes, more than 4 deep/ });
});

test('a blob that is not what its digest says fails the pull, and the next one brings the right one', async (t) => {
  const { registry, engine, pull } = await setUp(t);
  const { layers } = putImage(registry, 'app', 'latest', { layers: [{ tar: await layerOf('a', 'a') }] });
  const digest = layers[0]?.digest ?? '';
  const right = registry.blobs.get('app')?.get(digest) as Buffer;
  registry.blobs.get('app')?.set(digest, Buffer.alloc(right.length, 7));
  await assert.rejects(pull('app'), { message: /was said to be sha256:.* and is sha256:/ });
  assert.equal(engine.images.count, 0);
  registry.blobs.get('app')?.set(digest, right);
  await pull('app');
  assert.equal(engine.images.count, 1);
});

test('what the registry refuses is told in docker’s words', async (t) => {
  const { registry, pull } = await setUp(t);
  await assert.rejects(pull('no/such'), {
    code: 'NotFound',
    message: new RegExp(`^manifest for ${registry.domain}/no/such:latest not found: .*manifest unknown`),
  });
  registry.intercept = (_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' });
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
    return true;
  };
  await assert.rejects(pull('no/such'), {
    code: 'NotFound',
    message: new RegExp(
      `^pull access denied for ${registry.domain}/no/such, repository does not exist or may require 'docker login': .*authentication required`,
    ),
  });
});

test('a manifest that is no manifest is refused', async (t) => {
  const { registry, pull } = await setUp(t);
  putManifest(registry, 'app', 'latest', 'application/vnd.oci.image.manifest.v1+json', { schemaVersion: 2 });
  await assert.rejects(pull('app'), { code: 'InvalidArgument' });
});
