import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { silentLogger, systemClock, systemRandom } from '@slipway/base';
import { createEndpointFinder, openRegistryClient, type RegistryClient } from '@slipway/distribution/client';
import { type Doorkeeper, registryRoutes } from '@slipway/distribution/server';
import { empty, type HttpServer, ociDialect, serve } from '@slipway/http';
import { computeDigest, MediaType } from '@slipway/oci';
import type { Registry } from './registry.ts';
import {
  ADMIN,
  descriptorOf,
  manifestOf,
  movableClock,
  openTestRegistry,
  piecesOf,
  pushBlob,
  pushImage,
  type TestRegistryOptions,
} from './testing.ts';

const everybody: Doorkeeper = { admit: async () => ADMIN, challenge: () => '' };

/** Serves the registry over HTTP, and notes what is asked of it. */
async function serveRegistry(t: TestContext, registry: Registry) {
  const asked: string[] = [];
  let failure: number | undefined;
  const routes = registryRoutes({ backend: registry, doorkeeper: everybody }).map((route) => ({
    ...route,
    handler: (request: Parameters<typeof route.handler>[0]) => {
      const { range } = request.headers;
      asked.push(`${request.method} ${request.path}${range === undefined ? '' : ` ${range}`}`);
      return failure !== undefined ? empty(failure) : route.handler(request);
    },
  }));
  const server: HttpServer = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [{ dialect: ociDialect(), routes }],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return {
    url: `http://127.0.0.1:${server.port}`,
    asked,
    close: () => server[Symbol.asyncDispose](),
    /** Answers everything with this status from now on; undefined: as it should. */
    fail: (status: number | undefined) => {
      failure = status;
    },
  };
}

function openClient(t: TestContext): () => Promise<RegistryClient> {
  let client: RegistryClient | undefined;
  t.after(() => client?.[Symbol.asyncDispose]());
  return async () => {
    client ??= openRegistryClient({
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      userAgent: 'slipway-test',
      findEndpoints: createEndpointFinder({ mirrors: [], insecure: [], certificateFolders: [] }),
      retry: { attempts: 1 },
    });
    return client;
  };
}

/** A registry over HTTP, and one that caches it below `hub/`. */
async function openCache(t: TestContext, options: TestRegistryOptions = {}) {
  const { registry: origin } = await openTestRegistry(t);
  const upstream = await serveRegistry(t, origin);
  const cache = await openTestRegistry(t, {
    ...options,
    settings: { upstreams: [{ prefix: 'hub', url: upstream.url }] },
    openClient: openClient(t),
  });
  return { origin, upstream, ...cache };
}

describe('a pull-through cache', () => {
  it('fetches what is asked for, once, and has it from then on', async (t) => {
    const { origin, upstream, registry } = await openCache(t);
    const image = await pushImage(origin, 'team/app', ['v1'], 'layer');
    const digest = computeDigest('layer');
    for (let round = 0; round < 2; round++) {
      const stored = await registry.getManifest('hub/team/app', 'v1');
      assert.deepEqual(Buffer.from(stored.bytes), image.bytes);
      assert.equal(stored.mediaType, image.mediaType);
      const blobs = await Promise.all(
        Array.from({ length: 20 }, () => registry.getBlob('hub/team/app', digest)),
      );
      assert.equal(await readFile(blobs[7]?.path ?? '', 'utf8'), 'layer');
      assert.deepEqual(await registry.getManifest('hub/team/app', image.digest), stored);
    }
    const gets = upstream.asked.filter((line) => line.startsWith('GET /v2/team/app/'));
    assert.deepEqual(gets, ['GET /v2/team/app/manifests/v1', `GET /v2/team/app/blobs/${digest}`]);
    await upstream.close();
    await registry.collectGarbage({ graceMs: -1 });
    assert.equal((await registry.getBlob('hub/team/app', digest)).sizeBytes, 5);
    assert.equal((await registry.describeRepository('hub/team/app')).upstream, upstream.url);
  });

  it('follows a tag that moves, and forgets one that is gone', async (t) => {
    const { clock, advance } = movableClock();
    const { origin, registry } = await openCache(t, { clock });
    const one = await pushImage(origin, 'app', ['v1'], 'one');
    assert.equal((await registry.getManifest('hub/app', 'v1')).digest, one.digest);
    const two = await pushImage(origin, 'app', ['v1'], 'two');
    advance(10_000);
    assert.equal((await registry.getManifest('hub/app', 'v1')).digest, two.digest);
    await origin.deleteTag('app', 'v1', ADMIN);
    advance(10_000);
    await assert.rejects(registry.getManifest('hub/app', 'v1'), { reason: 'MANIFEST_UNKNOWN' });
    assert.equal((await registry.getManifest('hub/app', one.digest)).digest, one.digest);
  });

  it('serves what it has while the upstream is away, and says what it cannot reach', async (t) => {
    const { clock, advance } = movableClock();
    const { origin, upstream, registry } = await openCache(t, { clock });
    const image = await pushImage(origin, 'app', ['v1', 'v2'], 'layer');
    await registry.getManifest('hub/app', 'v1');
    await upstream.close();
    advance(10_000);
    assert.equal((await registry.getManifest('hub/app', 'v1')).digest, image.digest);
    assert.deepEqual(await registry.listTags('hub/app', {}), ['v1']);
    const namesUpstream = (error: Error) => error.message.includes(new URL(upstream.url).host);
    await assert.rejects(registry.getManifest('hub/app', 'v2'), namesUpstream);
    await assert.rejects(registry.getBlob('hub/app', computeDigest('layer')), namesUpstream);
    await assert.rejects(registry.listTags('hub/unknown', {}), namesUpstream);
  });

  it('leaves an upstream that is away alone for a while, where what it has will do', async (t) => {
    const { clock, advance } = movableClock();
    const { origin, upstream, registry } = await openCache(t, { clock });
    await pushImage(origin, 'app', ['v1', 'v2'], 'layer');
    for (const tag of ['v1', 'v2']) await registry.getManifest('hub/app', tag);
    advance(10_000);
    upstream.fail(500);
    const asked = upstream.asked.length;
    for (const tag of ['v1', 'v2']) await registry.getManifest('hub/app', tag);
    assert.equal(upstream.asked.length, asked + 1);
    upstream.fail(undefined);
    const moved = await pushImage(origin, 'app', ['v1'], 'other');
    advance(40_000);
    assert.equal((await registry.getManifest('hub/app', 'v1')).digest, moved.digest);
  });

  it('answers what the upstream refuses as not there, and asks nobody to log in', async (t) => {
    const { clock, advance } = movableClock();
    const { origin, upstream, registry } = await openCache(t, { clock });
    const image = await pushImage(origin, 'app', ['v1'], 'layer');
    await registry.getManifest('hub/app', 'v1');
    advance(10_000);
    upstream.fail(401);
    const refused = { code: 'NotFound', reason: 'NAME_UNKNOWN' };
    await assert.rejects(registry.getManifest('hub/app', 'v1'), refused);
    await assert.rejects(registry.getManifest('hub/other', 'v1'), refused);
    await assert.rejects(registry.getBlob('hub/app', computeDigest('layer')), refused);
    await assert.rejects(registry.listTags('hub/app', {}), refused);
    upstream.fail(undefined);
    assert.equal((await registry.getManifest('hub/app', 'v1')).digest, image.digest);
  });

  it('refuses upstreams that can be none', async (t) => {
    for (const url of ['docker.io', 'ftp://docker.io', 'https://docker.io/path']) {
      await assert.rejects(openTestRegistry(t, { settings: { upstreams: [{ prefix: '', url }] } }), {
        code: 'InvalidArgument',
      });
    }
  });

  it('goes on with a blob that was cut', async (t) => {
    const { origin, upstream, registry, store } = await openCache(t);
    const digest = await pushBlob(origin, 'app', 'a layer that comes in two pieces');
    {
      await using ingest = await store.content.ingest({}, { key: `cache-${digest.replace(':', '-')}` });
      for await (const piece of piecesOf('a layer that')) await ingest.write(piece);
    }
    assert.equal((await registry.getBlob('hub/app', digest)).sizeBytes, 32);
    assert.ok(
      upstream.asked.includes(`GET /v2/app/blobs/${digest} bytes=12-`),
      `what was asked: ${upstream.asked}`,
    );
  });

  it('fetches nothing that the engine has, and gives nothing of it that the upstream has not', async (t) => {
    const { origin, upstream, registry, store } = await openCache(t);
    await pushBlob(origin, 'app', 'layer');
    const { digest } = await store.content.write(Buffer.from('layer'));
    assert.equal((await registry.getBlob('hub/app', digest)).sizeBytes, 5);
    assert.ok(!upstream.asked.some((line) => line.startsWith('GET /v2/app/blobs/')), `${upstream.asked}`);
    const secret = await pushImage(registry, 'secret', ['t'], 'private layer');
    await origin.createRepository('eve', {});
    await assert.rejects(registry.getBlob('hub/eve', computeDigest('private layer')), {
      reason: 'BLOB_UNKNOWN',
    });
    await assert.rejects(registry.getManifest('hub/eve', secret.digest), { reason: 'MANIFEST_UNKNOWN' });
  });

  it('lists tags and referrers of the upstream', async (t) => {
    const { origin, registry } = await openCache(t);
    const image = await pushImage(origin, 'app', ['b', 'a', 'c'], 'layer');
    const subject = { ...descriptorOf(image.bytes, MediaType.ociManifest) };
    const index = manifestOf({ manifests: [], subject, artifactType: 'application/x' });
    await origin.putManifest('app', index, { tags: [], visitor: ADMIN });
    assert.deepEqual(await registry.listTags('hub/app', { after: 'a', limit: 1 }), ['b']);
    const [found] = await registry.listReferrers('hub/app', image.digest);
    assert.equal(found?.digest, index.digest);
    await assert.rejects(registry.getManifest('hub/nothing', 'v1'), { reason: 'MANIFEST_UNKNOWN' });
    await assert.rejects(registry.getBlob('hub/app', computeDigest('nothing')), { reason: 'BLOB_UNKNOWN' });
  });

  it('is not pushed to, but a repository that was made here is our own', async (t) => {
    const { registry, upstream } = await openCache(t);
    const refused = { code: 'PermissionDenied', reason: 'DENIED' };
    await assert.rejects(registry.startUpload('hub/app', ADMIN), refused);
    await assert.rejects(
      registry.putManifest('hub/app', manifestOf({ manifests: [] }), { tags: ['t'], visitor: ADMIN }),
      refused,
    );
    await assert.rejects(
      registry.mountBlob('hub/app', computeDigest('x'), { from: undefined, visitor: ADMIN }),
      refused,
    );
    await pushImage(registry, 'hubble', ['t'], 'layer');
    await registry.createRepository('hub/own', {});
    await pushImage(registry, 'hub/own', ['t'], 'layer');
    await registry.getManifest('hub/own', 't');
    assert.deepEqual(upstream.asked, []);
  });
});
