import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { eventually } from './harness/command.ts';
import { digestOf, type FaultImage, FaultRegistry } from './harness/fault-registry.ts';
import { manifestOf, RegistryApi } from './harness/registry-api.ts';
import { useEngine } from './harness/suite.ts';
import { makeTar, type TarFile } from './harness/tar.ts';

const engine = await useEngine({ port: 'free' });
const source = await FaultRegistry.start();
/** What a layer tries to write to. */
const outside = await mkdtemp(join(tmpdir(), 'slt-outside-'));
after(async () => {
  await source[Symbol.asyncDispose]();
  await rm(outside, { recursive: true });
});

const entries = (folder: string) => readdirSync(join(engine.dataRoot, folder)).sort();
const holdings = () => ({
  blobs: entries('content/blobs/sha256'),
  snapshots: entries('snapshots'),
  ingests: entries('content/ingest'),
});
const before = holdings();

async function assertNothingLeft(): Promise<void> {
  assert.equal((await engine.api({ path: '/_ping' })).status, 200);
  assert.deepEqual(holdings(), before);
  assert.deepEqual(readdirSync(outside), []);
}

type Json = Record<string, unknown>;
/** Each time another one, so that what is held for one image is not what another one leaves. */
const smallLayer = () => makeTar([{ name: 'file', content: randomBytes(16).toString('hex') }]);
const withLayer = (change: Json) => (manifest: Json) => ({
  ...manifest,
  layers: [{ ...(manifest['layers'] as Json[])[0], ...change }],
});
const image = (change: Partial<FaultImage>): FaultImage => ({ layers: [smallLayer()], ...change });
const withFiles = (...files: TarFile[]): FaultImage => ({ layers: [makeTar(files)] });
const deep = (depth: number) => Buffer.from(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
const hex = 'ab'.repeat(32);
const bomb = gzipSync(Buffer.alloc(64 << 20));

interface Hostile {
  readonly what: string;
  readonly put: FaultImage | Buffer;
  readonly says: RegExp;
}

const hostile: readonly Hostile[] = [
  {
    what: 'a manifest of 5 MB',
    put: Buffer.from(`{"schemaVersion":2,"a":"${'x'.repeat(5 << 20)}"}`),
    says: /4194304|larger|more than/,
  },
  { what: 'a manifest that is nested 10000 deep', put: deep(10_000), says: /nest|deep/ },
  {
    what: 'a manifest of 10000 layers',
    put: image({
      changeManifest: (manifest) => ({
        ...manifest,
        layers: Array(10_000).fill((manifest['layers'] as Json[])[0]),
      }),
    }),
    says: /10000 layers, more than the 512 allowed/,
  },
  {
    what: 'a layer of a negative size',
    put: image({ changeManifest: withLayer({ size: -1 }) }),
    says: /size/,
  },
  { what: 'a layer of half a byte', put: image({ changeManifest: withLayer({ size: 0.5 }) }), says: /size/ },
  {
    what: 'a layer of an exabyte',
    put: image({ changeManifest: withLayer({ size: 2 ** 60 }) }),
    says: /size|1152921504606846976 bytes/,
  },
  {
    what: 'a layer of 4 TB',
    put: image({ changeManifest: withLayer({ size: 2 ** 42 }) }),
    says: /4398046511104 bytes large, which cannot be/,
  },
  {
    what: 'a layer that is larger than said',
    put: image({ changeManifest: withLayer({ size: smallLayer().length - 1 }) }),
    says: /should have \d+ bytes/,
  },
  ...[
    `md5:${'ab'.repeat(16)}`,
    'sha256:abcd',
    `sha256:${hex.toUpperCase()}`,
    `sha256:../../${hex.slice(6)}`,
    `SHA256:${hex}`,
    '',
  ].map((digest) => ({
    what: `the digest ${JSON.stringify(digest).slice(0, 24)}`,
    put: image({ changeManifest: withLayer({ digest }) }),
    says: /digest/,
  })),
  {
    what: 'a digest of sha512',
    put: image({ changeManifest: withLayer({ digest: `sha512:${hex}${hex}` }) }),
    says: /only sha256 digests can be stored/,
  },
  {
    what: 'a foreign layer',
    put: image({
      changeManifest: withLayer({
        mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
        urls: ['http://127.0.0.1:1/'],
      }),
    }),
    says: /registries do not hold/,
  },
  {
    what: 'a configuration of 1 GB',
    put: image({
      changeManifest: (manifest) => ({
        ...manifest,
        config: { ...(manifest['config'] as Json), size: 1 << 30 },
      }),
    }),
    says: /configuration of .* is 1073741824 bytes large, more than/,
  },
  {
    what: 'a configuration that is nested',
    put: image({ changeConfig: () => JSON.parse(deep(3_000).toString()) }),
    says: /nest|deep/,
  },
  {
    what: 'a configuration with fewer layers',
    put: image({ changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [] } }) }),
    says: /1 layers, and its configuration 0 diffIDs/,
  },
  {
    what: 'a layer with another diffID',
    put: image({
      changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [`sha256:${hex}`] } }),
    }),
    says: new RegExp(`sha256:${hex}`),
  },
  {
    what: 'a layer that inflates to far more',
    put: {
      layers: [bomb],
      changeConfig: (config) => ({ ...config, rootfs: { type: 'layers', diff_ids: [`sha256:${hex}`] } }),
    },
    says: new RegExp(`diffID sha256:${hex} and is sha256:`),
  },
  {
    what: 'half a gzip layer',
    put: {
      layers: [gzipSync(makeTar([{ name: 'a', content: randomBytes(50_000) }]))],
      changeManifest: (manifest) => manifest,
    },
    says: /gzip data is damaged or cut off/,
  },
  {
    what: 'a file above the root',
    put: withFiles({ name: `../../../../../../..${outside}/up`, content: 'x' }),
    says: /\.\.\/.*(outside|leave|escape|above|invalid|not)/,
  },
  {
    what: 'a file above a folder',
    put: withFiles({ name: 'dir/', type: '5' }, { name: 'dir/../../up', content: 'x' }),
    says: /\.\.\//,
  },
  {
    what: 'a link out, and a file behind it',
    put: withFiles({ name: 'out', type: '2', linkName: outside }, { name: 'out/behind', content: 'x' }),
    says: /out\/behind|link/,
  },
  {
    what: 'a hard link to what is outside',
    put: withFiles({ name: 'hard', type: '1', linkName: `../../../../../../../..${outside}/x` }),
    says: /hard/,
  },
  {
    what: 'a hard link to an absolute file',
    put: withFiles({ name: 'hard', type: '1', linkName: '/etc/hostname' }),
    says: /hard/,
  },
  {
    what: 'a whiteout of what is above',
    put: withFiles({ name: '../.wh.data', content: '' }),
    says: /\.wh\./,
  },
  {
    what: 'a file that ends before its size',
    put: { layers: [makeTar([{ name: 'a', content: 'abc', claimedBytes: 5 << 20 }])] },
    says: /truncated: it ends in the middle of entry "a"/,
  },
];

describe('what a hostile registry serves', () => {
  for (const { what, put, says } of hostile) {
    test(`${what} is refused, and leaves nothing`, async () => {
      const repository = `hostile/${what
        .replace(/[^a-z0-9]+/gi, '-')
        .replace(/-$/, '')
        .toLowerCase()}`;
      if (Buffer.isBuffer(put)) source.putManifest(repository, '1', put);
      else source.putImage(repository, '1', put);
      if (what === 'half a gzip layer') cutLayer(repository);
      const { code, stderr } = await engine.docker('pull', `${source.host}/${repository}:1`);
      assert.notEqual(code, 0, 'it was pulled');
      assert.match(stderr, says);
      for (const word of [source.host, repository]) assert.ok(stderr.includes(word), stderr);
      assert.doesNotMatch(stderr, /undefined|TypeError|RangeError|Maximum call stack/);
      await assertNothingLeft();
    });
  }

  /** The layer as it is after a cut, with the digest of that. */
  function cutLayer(repository: string): void {
    const { bytes } = source.manifests.get(`${repository}:1`) as { bytes: Buffer };
    const manifest = JSON.parse(bytes.toString());
    const whole = source.blobs.get(manifest.layers[0].digest) as Buffer;
    manifest.layers[0] = source.putBlob(whole.subarray(0, whole.length >> 1), manifest.layers[0].mediaType);
    source.putManifest(repository, '1', Buffer.from(JSON.stringify(manifest)));
  }

  test('names that are none are refused before any registry is asked', async () => {
    const asked = source.requests.length;
    for (const name of [
      'a/../b',
      'a/%2e%2e/b',
      'a\0b',
      'a//b',
      'A',
      '-a',
      'a:b:c@',
      `a@md5:${'ab'.repeat(16)}`,
      'a'.repeat(300),
    ]) {
      const path = `/images/create?fromImage=${encodeURIComponent(`${source.host}/${name}`)}`;
      const { status, text } = await engine.api({ method: 'POST', path });
      assert.equal(status, 400, `${JSON.stringify(name)}: ${text}`);
    }
    assert.equal(source.requests.length, asked);
  });
});

describe('what hostile clients send to the registry', () => {
  const registry = new RegistryApi(engine.port);
  const zero = Buffer.alloc(0);
  const refusals: readonly [method: string, path: string, status: readonly number[], body?: Buffer][] = [
    ['GET', '/v2/../../etc/passwd', [400, 404]],
    ['GET', '/v2/%2e%2e/%2e%2e/manifests/1', [400]],
    ['GET', '/v2/a%2f..%2fb/manifests/1', [400]],
    ['GET', '/v2/a%00b/manifests/1', [400]],
    ['GET', '/v2/a/manifests/%00', [400]],
    ['GET', '/v2/a/manifests/..%2f..%2fslipway.db', [400, 404]],
    ['GET', '/v2/a/blobs/%ff', [400, 404]],
    ['GET', `/v2/a/blobs/md5:${'ab'.repeat(16)}`, [400]],
    ['GET', `/v2/a/blobs/sha256:${hex.toUpperCase()}`, [400]],
    ['GET', `/v2/a/blobs/sha256:${hex}00`, [400]],
    ['GET', '/v2/a/blobs/sha256:..%2f..%2f..%2fslipway.db', [400, 404]],
    ['GET', '/v2/A/tags/list', [400]],
    ['GET', `/v2/${'a'.repeat(300)}/tags/list`, [400]],
    ['GET', '/v2/a/tags/list?n=-1', [400, 404]],
    ['PATCH', '/v2/a/blobs/uploads/..%2f..%2f..%2fslipway.db', [404], Buffer.from('x')],
    ['PUT', `/v2/a/blobs/uploads/%00?digest=sha256:${hex}`, [404], zero],
    ['POST', `/v2/a/blobs/uploads/?digest=md5:${'ab'.repeat(16)}`, [400], Buffer.from('x')],
    ['POST', `/v2/a/blobs/uploads/?digest=sha256:${hex}`, [400], Buffer.from('not what was said')],
    ['PUT', '/v2/a/manifests/1', [413], Buffer.from(`{"schemaVersion":2,"a":"${'x'.repeat(5 << 20)}"}`)],
    ['PUT', '/v2/a/manifests/1', [400], deep(10_000)],
    ['PUT', '/v2/a/manifests/1', [400], Buffer.from('[]')],
    ['PUT', '/v2/a/manifests/1', [400], Buffer.from([0xff, 0xfe, 0])],
    ['PUT', '/v2/a/manifests/..', [400, 404], Buffer.from('{}')],
    ['PUT', `/v2/a/manifests/sha256:${hex}`, [400], Buffer.from('{}')],
  ];
  for (const [method, path, status, body] of refusals) {
    test(`${method} ${path.slice(0, 60)}${body === undefined ? '' : ` (${body.length} bytes)`} is refused in the registry's words`, async () => {
      const type =
        path.includes('/manifests/') && method === 'PUT'
          ? { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
          : {};
      const answer = await registry.call(method, path, body, type);
      assert.ok(status.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`);
      assert.doesNotMatch(answer.text, /undefined|TypeError|RangeError|root:|SQLite/);
    });
  }

  test('a manifest of what cannot be is refused: sizes, digests, 10000 layers', async () => {
    const layer = Buffer.from('a layer');
    const right = manifestOf(Buffer.from('{}'), [layer]);
    const first = right.layers[0] as Json;
    const wrong: Json[] = [
      { size: -1 },
      { size: 2 ** 70 },
      { size: '7' },
      { digest: `md5:${'ab'.repeat(16)}` },
      { digest: `sha256:${hex.toUpperCase()}` },
      { digest: 'sha256:../../../x' },
    ];
    for (const change of wrong) {
      const answer = await registry.putManifest('a', '1', { ...right, layers: [{ ...first, ...change }] });
      assert.equal(answer.status, 400, `${JSON.stringify(change)}: ${answer.text}`);
      assert.match(answer.text, /MANIFEST_INVALID/);
    }
    const many = Array.from({ length: 10_000 }, (_each, index) => ({
      ...first,
      digest: digestOf(Buffer.from(`${index}`)),
    }));
    const answer = await registry.putManifest('a', '1', { ...right, layers: many });
    assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
    assert.ok(answer.text.length < 20_000, `${answer.text.length} characters of refusal`);
  });

  test('an upload that is not what its digest says is gone, and so is one that says where it cannot be', async () => {
    const bytes = Buffer.from('some bytes');
    const location = await registry.startUpload('a');
    const put = await registry.call('PUT', `${location}?digest=sha256:${hex}`, bytes);
    assert.deepEqual([put.status, /DIGEST_INVALID/.test(put.text)], [400, true]);
    assert.equal((await registry.call('GET', location)).status, 404);
    const next = await registry.startUpload('a');
    for (const range of ['5-1', '-1-5', '0-99999999999999999999', 'x', '7-16']) {
      const patch = await registry.call('PATCH', next, bytes, { 'content-range': range });
      assert.ok([400, 416].includes(patch.status), `${range}: ${patch.status}`);
    }
    assert.equal((await registry.call('DELETE', next)).status, 204);
  });

  test('a blob that is kept is not what a browser takes for a page', async () => {
    const page = Buffer.from('<script>alert(1)</script>');
    assert.equal((await registry.putBlob('a', page)).status, 201);
    const { headers } = await registry.getBlob('a', digestOf(page));
    assert.doesNotMatch(String(headers['content-type']), /html|script/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });
});

test('nothing of all that stays', async () => {
  await engine.api({ method: 'DELETE', path: '/slipway/registry/repositories/a?force=true' });
  await engine.api({ method: 'POST', path: '/slipway/registry/gc', body: { graceMs: 0 } });
  assert.deepEqual(entries('content/ingest'), []);
  assert.deepEqual(entries('snapshots'), before.snapshots);
  assert.deepEqual(readdirSync(outside), []);
  const escaped = ['up', '.wh.data', 'behind'].flatMap((name) =>
    ['.', '..', 'snapshots', 'content'].map((folder) => join(engine.dataRoot, folder, name)),
  );
  assert.deepEqual(
    escaped.filter((path) => existsSync(path)).map((path) => basename(path)),
    [],
  );
  await eventually('the daemon is well', async () => (await engine.api({ path: '/_ping' })).status === 200);
});
