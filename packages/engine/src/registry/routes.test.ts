import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { silentLogger, systemClock } from '@slipway/base';
import type { Doorkeeper } from '@slipway/distribution/server';
import { dockerDialect, type Route, serve } from '@slipway/http';
import { registryAdminRoutes, searchRoutes } from './index.ts';
import { openTestRegistry, pushImage, visitorOf } from './testing.ts';

async function start(t: TestContext, routes: readonly Route[]) {
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [{ dialect: dockerDialect('test'), routes }],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return async (method: string, path: string, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
}

describe("the keepers' routes", () => {
  it('make, change, show and drop repositories whose names have slashes', async (t) => {
    const { registry } = await openTestRegistry(t);
    const ask = await start(t, registryAdminRoutes(registry));
    const repositories = '/slipway/registry/repositories';
    const made = await ask('POST', repositories, { name: 'a/b', quotaBytes: 10_000 });
    assert.equal(made.status, 201);
    assert.equal(made.body.quotaBytes, 10_000);
    assert.equal((await ask('POST', repositories, { name: 'a/b' })).status, 409);
    assert.equal((await ask('POST', repositories, { name: 'a/b', typo: 1 })).status, 400);
    const changed = await ask('POST', `${repositories}/a/b/settings`, {
      immutableTags: true,
      quotaBytes: null,
    });
    assert.equal(changed.body.immutableTags, true);
    assert.equal(changed.body.quotaBytes, undefined);
    const image = await pushImage(registry, 'a/b', ['v1'], 'layer');
    const [manifest] = (await ask('GET', `${repositories}/a/b/manifests`)).body;
    assert.equal(manifest.digest, image.digest);
    assert.deepEqual(
      (await ask('GET', repositories)).body.map(({ name }: { name: string }) => name),
      ['a/b'],
    );
    assert.equal((await ask('GET', `${repositories}/a/b`)).body.tagCount, 1);
    assert.equal((await ask('DELETE', `${repositories}/a/b`)).status, 409);
    assert.equal((await ask('DELETE', `${repositories}/a/b?force=1`)).status, 204);
    assert.equal((await ask('GET', `${repositories}/a/b`)).status, 404);
  });

  it('show the status, collect garbage, and keep webhooks', async (t) => {
    const { registry } = await openTestRegistry(t);
    const ask = await start(t, registryAdminRoutes(registry));
    await pushImage(registry, 'r', ['v1'], 'layer');
    assert.equal((await ask('GET', '/slipway/registry')).body.blobs, 2);
    const { body } = await ask('POST', '/slipway/registry/gc', { graceMs: 0 });
    assert.deepEqual(body, { removedBlobs: 0, removedUploads: 0, freedBytes: 0 });
    const hook = { url: 'http://127.0.0.1:1/', secret: 's3cret' };
    const made = await ask('POST', '/slipway/registry/webhooks', hook);
    assert.equal(made.status, 201);
    assert.equal(made.body.secret, undefined);
    assert.deepEqual((await ask('GET', '/slipway/registry/webhooks')).body, [made.body]);
    assert.equal((await ask('DELETE', `/slipway/registry/webhooks/${made.body.id}`)).status, 204);
    assert.equal((await ask('DELETE', `/slipway/registry/webhooks/${made.body.id}`)).status, 404);
  });
});

describe("docker's search", () => {
  it('finds the names that the visitor may pull', async (t) => {
    const { registry } = await openTestRegistry(t);
    for (const name of ['open/app', 'open/apple', 'open/pear', 'secret/app']) {
      await registry.createRepository(name, {});
    }
    const doorkeeper: Doorkeeper = { admit: async () => visitorOf('open/'), challenge: () => '' };
    const ask = await start(t, searchRoutes(registry, doorkeeper));
    assert.equal((await ask('GET', '/v1/_ping')).body.standalone, true);
    const { body } = await ask('GET', '/v1/search?q=APP&n=1&page=2');
    assert.equal(body.num_results, 2);
    assert.equal(body.num_pages, 2);
    assert.deepEqual(
      body.results.map(({ name }: { name: string }) => name),
      ['open/apple'],
    );
  });

  it('asks a stranger for a login, where there is one to be had', async (t) => {
    const { registry } = await openTestRegistry(t);
    await registry.createRepository('secret/app', {});
    const stranger = { name: undefined, may: () => false, isAdmin: false };
    const ask = await start(
      t,
      searchRoutes(registry, { admit: async () => stranger, challenge: () => 'Bearer' }),
    );
    assert.equal((await ask('GET', '/v1/search?q=app')).status, 401);
  });
});
