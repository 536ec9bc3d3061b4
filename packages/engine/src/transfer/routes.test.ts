import assert from 'node:assert/strict';
import http from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLogger, systemClock } from '@slipway/base';
import { dockerDialect, serve } from '@slipway/http';
import { hostPlatform } from '@slipway/oci';
import { imageRoutes } from '../images/index.ts';
import { pullHandler, transferRoutes } from './index.ts';
import { layerOf, openEngine, putImage, putIndex, startRegistry } from './testing.ts';

async function setUp(t: TestContext) {
  const registry = await startRegistry(t);
  const engine = await openEngine(t);
  const socketPath = join(engine.root, 's.sock');
  const routes = [
    ...imageRoutes(engine.images, { pull: pullHandler(engine.transfer) }),
    ...transferRoutes(engine.transfer),
  ];
  const server = await serve({
    listen: { socketPath },
    sites: [{ dialect: dockerDialect('0'), routes }],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  const ask = (
    method: string,
    path: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: unknown } = {},
  ) =>
    new Promise<{ status: number; text: string; value: Record<string, unknown> }>((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const request = http.request(
        {
          socketPath,
          method,
          path,
          agent: false,
          headers: { 'content-type': 'application/json', ...headers },
        },
        async (response) => {
          const text = (await response.toArray()).join('');
          const [first = ''] = text.split('\n');
          resolve({ status: response.statusCode ?? 0, text, value: JSON.parse(first) });
        },
      );
      request.on('error', reject);
      request.end(text);
    });
  return { registry, engine, ask };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a pull streams its progress, and has a status of its own where it fails before', async (t) => {
  const { registry, engine, ask } = await setUp(t);
  putImage(registry, 'a/b', '1', { layers: [{ tar: await layerOf('a', 'a') }] });
  const pulled = await ask('POST', `/v1.44/images/create?fromImage=${registry.domain}/a/b&tag=1`);
  assert.equal(pulled.status, 200);
  assert.match(pulled.text, /"status":"Status: Downloaded newer image for .*a\/b:1"}\n$/);
  assert.equal(engine.images.count, 1);
  const missing = await ask('POST', `/images/create?fromImage=${registry.domain}/a/b&tag=2`);
  assert.equal(missing.status, 404);
  assert.match(String(missing.value['message']), /^manifest for .*a\/b:2 not found/);
  assert.equal((await ask('POST', '/images/create')).status, 400);
  registry.intercept = (request, response) => {
    if (request.method === 'GET' && request.url?.includes('/blobs/')) response.writeHead(404).end();
    return response.headersSent;
  };
  putImage(registry, 'a/b', '3', { layers: [{ tar: await layerOf('a', 'b') }] });
  const broken = await ask('POST', `/images/create?fromImage=${registry.domain}/a/b&tag=3`);
  assert.equal(broken.status, 200);
  assert.match(broken.text, /\n\{"errorDetail":\{"message":"registry .*"\},"error":"registry .*"\}\n$/);
});

test('a registry that is not there is named, with docker’s status', async (t) => {
  const { ask } = await setUp(t);
  const { status, value } = await ask('POST', '/images/create?fromImage=127.0.0.1:1/a/b&tag=1');
  assert.equal(status, 500);
  assert.match(String(value['message']), /127\.0\.0\.1:1.*a\/b.*ECONNREFUSED/);
});

test('credentials are read as the clients write them, and none are repeated in an error', async (t) => {
  const { registry, ask } = await setUp(t);
  putImage(registry, 'app', '1', { layers: [{ tar: await layerOf('a', 'a') }] });
  registry.intercept = (request, response) => {
    if (request.headers.authorization === `Basic ${Buffer.from('ann:s3cret?>').toString('base64')}`)
      return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    return true;
  };
  const path = `/distribution/${registry.domain}/app:1/json`;
  const auth = { username: 'ann', password: 's3cret?>' };
  const forms = [
    encode(auth),
    `${encode(auth)}==`,
    Buffer.from(JSON.stringify(auth)).toString('base64'),
    encode({ auth: Buffer.from('ann:s3cret?>').toString('base64') }),
  ];
  for (const form of forms) {
    assert.equal((await ask('GET', path, { headers: { 'x-registry-auth': form } })).status, 200, form);
  }
  const refused = await ask('GET', path);
  assert.equal(refused.status, 404);
  assert.match(String(refused.value['message']), /may require 'docker login'/);
  const malformed = await ask('GET', path, { headers: { 'x-registry-auth': 's3cret' } });
  assert.deepEqual([malformed.status, malformed.text.includes('s3cret')], [400, false]);
});

test('a login is proved to the registry', async (t) => {
  const { registry, ask } = await setUp(t);
  registry.intercept = (request, response) => {
    if (request.headers.authorization === `Basic ${Buffer.from('ann:right').toString('base64')}`)
      return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    return true;
  };
  const login = (password: string) =>
    ask('POST', '/auth', {
      body: { username: 'ann', password, serveraddress: `https://${registry.domain}/v1/` },
    });
  assert.deepEqual((await login('right')).value, { Status: 'Login Succeeded', IdentityToken: '' });
  const refused = await login('wrong');
  assert.equal(refused.status, 401);
  assert.match(
    String(refused.value['message']),
    new RegExp(`^Get "https://${registry.domain}/v2/": .*unauthorized`),
  );
});

test('what a registry has is shown without fetching layers', async (t) => {
  const { registry, ask } = await setUp(t);
  const image = putImage(registry, 'app', '1', {
    layers: [{ tar: await layerOf('a', 'a') }],
    platform: hostPlatform(),
  });
  const other = putImage(registry, 'app', '2', {
    layers: [],
    platform: { os: 'linux', architecture: 's390x' },
  });
  const index = putIndex(registry, 'app', 'all', [image.descriptor, other.descriptor]);
  const shown = await ask('GET', `/distribution/${registry.domain}/app:all/json`);
  assert.deepEqual(shown.value, {
    Descriptor: { mediaType: index.mediaType, digest: index.digest, size: index.size },
    Platforms: [hostPlatform(), { os: 'linux', architecture: 's390x' }],
  });
  const remote = await ask('GET', `/slipway/images/remote?name=${registry.domain}/app:all`);
  const { descriptor, platforms, manifest, config } = remote.value as Record<string, Record<string, unknown>>;
  assert.equal(descriptor?.['digest'], index.digest);
  assert.deepEqual(platforms, [hostPlatform(), { os: 'linux', architecture: 's390x' }]);
  assert.deepEqual((manifest?.['config'] as { digest?: string } | undefined)?.digest, image.id);
  assert.equal(config?.['architecture'], hostPlatform().architecture);
  assert.ok(!registry.requests.some((request) => request.includes(image.layers[0]?.digest ?? '')));
});

test('a search is asked of the registry that the term names, and filtered', async (t) => {
  const { registry, ask } = await setUp(t);
  registry.intercept = (request, response) => {
    const url = new URL(request.url ?? '', 'http://registry');
    if (url.pathname !== '/v1/search') return false;
    assert.deepEqual([url.searchParams.get('q'), url.searchParams.get('n')], ['fo/o', '7']);
    const results = [
      { name: 'fo/one', description: 'first', is_official: true, star_count: 3 },
      { name: `${registry.domain}/fo/two`, description: '', is_official: false, star_count: 9 },
    ];
    response.end(JSON.stringify({ num_results: 2, query: 'fo/o', results }));
    return true;
  };
  const term = encodeURIComponent(`${registry.domain}/fo/o`);
  const found = async (filters: object) =>
    (
      JSON.parse(
        (await ask('GET', `/images/search?term=${term}&limit=7&filters=${JSON.stringify(filters)}`)).text,
      ) as { name: string }[]
    ).map(({ name }) => name);
  const [one, two] = [`${registry.domain}/fo/one`, `${registry.domain}/fo/two`];
  assert.deepEqual(await found({}), [one, two], 'names that can be pulled');
  assert.deepEqual(await found({ 'is-official': ['true'] }), [one]);
  assert.deepEqual(await found({ stars: ['4'] }), [two]);
  assert.equal((await ask('GET', `/images/search?term=${term}&limit=101`)).status, 400);
  assert.equal((await ask('GET', '/images/search')).status, 400);
});

test('an index is made of images by a request that names them', async (t) => {
  const { registry, ask } = await setUp(t);
  putImage(registry, 'app', 'one', { layers: [{ tar: await layerOf('a', 'a') }] });
  const made = await ask('POST', '/slipway/images/manifest', {
    body: { target: `${registry.domain}/app:all`, sources: [`${registry.domain}/app:one`] },
  });
  assert.equal(made.status, 201);
  assert.ok(registry.manifests.get('app')?.has(String(made.value['digest'])));
  const strict = await ask('POST', '/slipway/images/manifest', {
    body: { target: 'x', sources: ['y'], z: 1 },
  });
  assert.equal(strict.status, 400);
});
