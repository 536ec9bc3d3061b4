import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { silentLogger, systemClock } from '@slipway/base';
import { ociDialect, serve } from '@slipway/http';
import { computeDigest, MediaType } from '@slipway/oci';
import type { Doorkeeper } from './backend.ts';
import { registryRoutes } from './routes.ts';
import { basicDoor, MemoryRegistry, openDoor } from './testing.ts';

/** A registry that listens, and how to ask it. */
async function start(t: TestContext, doorkeeper: Doorkeeper = openDoor, logger = silentLogger) {
  const backend = new MemoryRegistry();
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [{ routes: registryRoutes({ backend, doorkeeper }), dialect: ociDialect() }],
    clock: systemClock,
    logger,
  });
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    backend[Symbol.dispose]();
  });
  const base = `http://127.0.0.1:${server.port}`;
  return (
    method: string,
    path: string,
    { body, ...headers }: Record<string, string> & { body?: string } = {},
  ) => fetch(base + path, { method, headers, redirect: 'manual', ...(body === undefined ? {} : { body }) });
}

type Ask = Awaited<ReturnType<typeof start>>;

const sha512 = (text: string) => `sha512:${createHash('sha512').update(text).digest('hex')}`;

async function pushBlob(ask: Ask, repository: string, text: string, digest: string = computeDigest(text)) {
  const answer = await ask('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: text });
  assert.equal(answer.status, 201, await answer.text());
  return { digest, size: text.length };
}

/** A manifest with a configuration and no layers, pushed with its configuration. */
async function makeManifest(ask: Ask, repository: string, more: object = {}): Promise<string> {
  const config = await pushBlob(ask, repository, '{}');
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociEmpty, ...config },
    layers: [],
    ...more,
  });
}

const putManifest = (ask: Ask, path: string, body: string, type: string = MediaType.ociManifest) =>
  ask('PUT', path, { body, 'content-type': type });

async function errorOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] };
  return `${answer.status} ${errors[0]?.code}`;
}

test('a manifest comes back byte for byte, by tag and by digest, with its type, length and digest', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'team/app');
  const digest = computeDigest(manifest);
  const pushed = await putManifest(ask, '/v2/team/app/manifests/v1', manifest);
  assert.equal(pushed.status, 201);
  assert.equal(pushed.headers.get('location'), `/v2/team/app/manifests/${digest}`);
  assert.equal(pushed.headers.get('docker-content-digest'), digest);
  for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
    const got = await ask('GET', `/v2/team/app/manifests/${reference}`);
    assert.equal(await got.text(), manifest);
    assert.equal(got.headers.get('content-type'), MediaType.ociManifest);
    assert.equal(got.headers.get('docker-content-digest'), digest);
    const head = await ask('HEAD', `/v2/team/app/manifests/${reference}`);
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('content-length'), String(manifest.length));
    assert.equal(await head.text(), '');
  }
});

test('who has a manifest or a blob already is told so without it', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app');
  await putManifest(ask, '/v2/app/manifests/v1', manifest);
  const etag = (await ask('GET', '/v2/app/manifests/v1')).headers.get('etag') ?? '';
  for (const path of ['/v2/app/manifests/v1', `/v2/app/blobs/${computeDigest('{}')}`]) {
    const own = path.includes('blobs') ? `"${computeDigest('{}')}"` : etag;
    assert.equal((await ask('GET', path, { 'if-none-match': `W/"x", ${own}` })).status, 304);
    assert.equal((await ask('GET', path, { 'if-none-match': '"sha256:else"' })).status, 200);
  }
});

test('a manifest that is not what it says it is is refused with the code for it', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app');
  const put = async (reference: string, body: string, type?: string) =>
    errorOf(await putManifest(ask, `/v2/app/manifests/${reference}`, body, type));
  const other = computeDigest('other');
  assert.equal(await put(other, manifest), '400 DIGEST_INVALID');
  assert.equal(await put(sha512('other'), manifest), '400 DIGEST_INVALID');
  assert.equal(await put('sha256:short', manifest), '400 DIGEST_INVALID');
  assert.equal(await put('-tag', manifest), '400 TAG_INVALID');
  assert.equal(await put('v1', manifest, MediaType.ociIndex), '400 MANIFEST_INVALID');
  assert.equal(await put('v1', manifest, 'nonsense'), '400 MANIFEST_INVALID');
  const page = manifest.replace(`"mediaType":"${MediaType.ociManifest}",`, '"a":"<script>",');
  assert.equal(await put('v1', page, 'text/html'), '400 MANIFEST_INVALID');
  assert.equal(await put('v1', '{"schemaVersion":'), '400 MANIFEST_INVALID');
  assert.equal(await put('v1', '[]'), '400 MANIFEST_INVALID');
  assert.equal(await put('v1', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), '400 MANIFEST_INVALID');
  assert.equal(await put('v1', JSON.stringify({ pad: 'x'.repeat(4 * 1024 * 1024) })), '413 SIZE_INVALID');
  assert.equal(await put('v1', manifest.replace(computeDigest('{}'), other)), '404 MANIFEST_BLOB_UNKNOWN');
  assert.deepEqual(await (await ask('GET', '/v2/app/tags/list')).json(), { name: 'app', tags: [] });
});

test('brackets within texts of a manifest do not count as nesting', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app', { annotations: { a: `\\"${'['.repeat(1_000)}` } });
  assert.equal((await putManifest(ask, '/v2/app/manifests/v1', manifest)).status, 201);
});

test('a manifest and its tags can be pushed in one request, by a digest of either algorithm', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app');
  const digest = sha512(manifest);
  const pushed = await putManifest(ask, `/v2/app/manifests/${digest}?tag=a&tag=b&tag=a`, manifest);
  assert.equal(pushed.status, 201);
  assert.equal(pushed.headers.get('oci-tag'), 'a, b');
  const got = await ask('GET', '/v2/app/manifests/b');
  assert.equal(got.headers.get('docker-content-digest'), digest);
  assert.equal(await got.text(), manifest);
});

test('deleting a tag leaves its manifest; deleting a manifest takes its tags', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app');
  const digest = computeDigest(manifest);
  await putManifest(ask, `/v2/app/manifests/${digest}?tag=a&tag=b`, manifest);
  assert.equal((await ask('DELETE', '/v2/app/manifests/a')).status, 202);
  assert.equal(await errorOf(await ask('GET', '/v2/app/manifests/a')), '404 MANIFEST_UNKNOWN');
  assert.equal((await ask('GET', `/v2/app/manifests/${digest}`)).status, 200);
  assert.equal((await ask('DELETE', `/v2/app/manifests/${digest}`)).status, 202);
  assert.equal(await errorOf(await ask('GET', '/v2/app/manifests/b')), '404 MANIFEST_UNKNOWN');
});

test('a blob may be asked for in part, and a part that it has not is refused with its size', async (t) => {
  const ask = await start(t);
  const { digest } = await pushBlob(ask, 'app', '0123456789');
  const part = async (range: string, more: Record<string, string> = {}) => {
    const got = await ask('GET', `/v2/app/blobs/${digest}`, { range, ...more });
    return [got.status, got.headers.get('content-range'), got.status < 300 ? await got.text() : ''];
  };
  assert.deepEqual(await part('bytes=2-4'), [206, 'bytes 2-4/10', '234']);
  assert.deepEqual(await part('bytes=7-'), [206, 'bytes 7-9/10', '789']);
  assert.deepEqual(await part('bytes=-3'), [206, 'bytes 7-9/10', '789']);
  assert.deepEqual(await part('bytes=-30'), [206, 'bytes 0-9/10', '0123456789']);
  assert.deepEqual(await part('bytes=8-99'), [206, 'bytes 8-9/10', '89']);
  assert.deepEqual(await part('bytes=5-4'), [416, 'bytes */10', '']);
  assert.deepEqual(await part('bytes=10-'), [416, 'bytes */10', '']);
  assert.deepEqual(await part('bytes=-0'), [416, 'bytes */10', '']);
  assert.deepEqual(await part('bytes=0-1,4-5'), [200, null, '0123456789']);
  assert.deepEqual(await part('lines=0-1'), [200, null, '0123456789']);
  assert.deepEqual(await part('bytes=2-4', { 'if-range': `"${digest}"` }), [206, 'bytes 2-4/10', '234']);
  assert.deepEqual(await part('bytes=2-4', { 'if-range': '"old"' }), [200, null, '0123456789']);
  const empty = await pushBlob(ask, 'app', '');
  const got = await ask('GET', `/v2/app/blobs/${empty.digest}`);
  assert.equal(got.status, 200);
  assert.equal(got.headers.get('content-length'), '0');
});

test('an upload goes on in chunks, and a chunk out of place changes nothing and says where to go on', async (t) => {
  const ask = await start(t);
  const begun = await ask('POST', '/v2/app/blobs/uploads/');
  assert.equal(begun.status, 202);
  assert.equal(begun.headers.get('range'), '0-0');
  const location = begun.headers.get('location') ?? '';
  assert.equal(location, `/v2/app/blobs/uploads/${begun.headers.get('docker-upload-uuid')}`);
  const first = await ask('PATCH', location, { body: '01234', 'content-range': '0-4' });
  assert.equal(first.status, 202);
  assert.equal(first.headers.get('range'), '0-4');
  for (const [method, query] of [
    ['PATCH', ''],
    ['PUT', `?digest=${computeDigest('0123456789')}`],
  ] as const) {
    for (const range of ['0-4', '6-10']) {
      const refused = await ask(method, location + query, { body: '56789', 'content-range': range });
      assert.equal(refused.headers.get('range'), '0-4');
      assert.equal(refused.headers.get('location'), location);
      assert.equal(await errorOf(refused), '416 RANGE_INVALID');
    }
  }
  const wrong = await ask('PATCH', location, { body: '56789', 'content-range': '5-6' });
  assert.equal(await errorOf(wrong), '400 SIZE_INVALID');
  const nonsense = await ask('PATCH', location, { body: '56789', 'content-range': 'five' });
  assert.equal(await errorOf(nonsense), '400 BLOB_UPLOAD_INVALID');
  const status = await ask('GET', location);
  assert.deepEqual([status.status, status.headers.get('range')], [204, '0-4']);
  const digest = computeDigest('0123456789');
  const done = await ask('PUT', `${location}?digest=${digest}`, { body: '56789', 'content-range': '5-9' });
  assert.equal(done.status, 201);
  assert.equal(done.headers.get('location'), `/v2/app/blobs/${digest}`);
  assert.equal(await (await ask('GET', `/v2/app/blobs/${digest}`)).text(), '0123456789');
  assert.equal(await errorOf(await ask('GET', location)), '404 BLOB_UPLOAD_UNKNOWN');
});

test('a blob that is not what its digest says is refused, however it was sent', async (t) => {
  const ask = await start(t);
  const digest = computeDigest('right');
  const whole = await ask('POST', `/v2/app/blobs/uploads/?digest=${digest}`, { body: 'wrong' });
  assert.equal(await errorOf(whole), '400 DIGEST_INVALID');
  const location = (await ask('POST', '/v2/app/blobs/uploads/')).headers.get('location') ?? '';
  await ask('PATCH', location, { body: 'wrong' });
  assert.equal(await errorOf(await ask('PUT', `${location}?digest=md5:abc`)), '400 DIGEST_INVALID');
  assert.equal(await errorOf(await ask('PUT', location)), '400 DIGEST_INVALID');
  assert.equal(await errorOf(await ask('PUT', `${location}?digest=${digest}`)), '400 DIGEST_INVALID');
  assert.equal(await errorOf(await ask('GET', `/v2/app/blobs/${digest}`)), '404 BLOB_UNKNOWN');
});

test('a client that goes away in a PATCH can go on after what arrived, and nobody is alarmed', async (t) => {
  const alarms: string[] = [];
  const error = (_fields: object, message: string) => void alarms.push(message);
  const ask = await start(t, openDoor, { ...silentLogger, error });
  const begun = await ask('POST', '/v2/app/blobs/uploads/');
  const location = new URL(begun.headers.get('location') ?? '', begun.url);
  const socket = connect(Number(location.port), location.hostname);
  socket.write(`PATCH ${location.pathname} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234`);
  const range = async () => (await ask('GET', location.pathname)).headers.get('range');
  while ((await range()) !== '0-4') await setImmediate();
  socket.destroy();
  const digest = computeDigest('0123456789');
  const rest = { body: '56789', 'content-range': '5-9' };
  const done = await ask('PUT', `${location.pathname}?digest=${digest}`, rest);
  assert.equal(done.status, 201);
  assert.deepEqual(alarms, []);
});

test('an upload that is given up is gone', async (t) => {
  const ask = await start(t);
  const location = (await ask('POST', '/v2/app/blobs/uploads/')).headers.get('location') ?? '';
  assert.equal((await ask('DELETE', location)).status, 204);
  assert.equal(await errorOf(await ask('PATCH', location, { body: 'x' })), '404 BLOB_UPLOAD_UNKNOWN');
});

test('a blob is mounted from where the visitor may read it; else an upload begins', async (t) => {
  const door = basicDoor({}, (_name, action, repository) => repository !== 'secret' || action === 'push');
  const ask = await start(t, door);
  const { digest } = await pushBlob(ask, 'secret', 'hidden');
  const { digest: shown } = await pushBlob(ask, 'open', 'shown');
  const mount = (query: string) => ask('POST', `/v2/app/blobs/uploads/?${query}`);
  assert.equal((await mount(`mount=${shown}&from=open`)).status, 201);
  assert.equal((await mount(`mount=${shown}`)).status, 201);
  assert.equal((await mount(`mount=${digest}&from=secret`)).status, 202);
  assert.equal((await mount(`mount=${digest}`)).status, 202);
  assert.equal(await errorOf(await mount(`mount=${shown}&from=../etc`)), '400 NAME_INVALID');
  assert.equal((await ask('GET', `/v2/app/blobs/${shown}`)).status, 200);
  assert.equal((await ask('GET', `/v2/app/blobs/${digest}`)).status, 404);
});

test('names that are no names never reach the repositories', async (t) => {
  const ask = await start(t);
  for (const name of [
    'A',
    'a//b',
    'a..b',
    '-a',
    'a/',
    'a___b',
    '%252e%252e/etc',
    'a%2F..%2Fb',
    'é',
    'a'.repeat(256),
  ]) {
    assert.equal(await errorOf(await ask('GET', `/v2/${name}/tags/list`)), '400 NAME_INVALID', name);
  }
  assert.equal((await ask('GET', '/v2/%zz/tags/list')).status >= 400, true);
  for (const name of ['a', 'a/b/c', 'a.b_c__d-e--f', 'blobs/uploads', 'x/manifests', 'a'.repeat(255)]) {
    await pushBlob(ask, name, 'x');
    assert.equal((await ask('GET', `/v2/${name}/tags/list`)).status, 200, name);
    assert.equal((await ask('GET', `/v2/${name}/blobs/${computeDigest('x')}`)).status, 200, name);
  }
});

test('tags and repositories come in pages that link to each other', async (t) => {
  const ask = await start(t);
  const manifest = await makeManifest(ask, 'app');
  await putManifest(ask, `/v2/app/manifests/${computeDigest(manifest)}?tag=c&tag=a&tag=b`, manifest);
  await pushBlob(ask, 'beside', 'x');
  const first = await ask('GET', '/v2/app/tags/list?n=2');
  assert.deepEqual(await first.json(), { name: 'app', tags: ['a', 'b'] });
  const link = /^<([^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
  const second = await ask('GET', link);
  assert.deepEqual(await second.json(), { name: 'app', tags: ['c'] });
  assert.equal(second.headers.get('link'), null);
  const none = await ask('GET', '/v2/app/tags/list?n=0');
  assert.deepEqual([await none.json(), none.headers.get('link')], [{ name: 'app', tags: [] }, null]);
  assert.equal((await ask('GET', '/v2/app/tags/list?n=3')).headers.get('link'), null);
  assert.equal(await errorOf(await ask('GET', '/v2/app/tags/list?n=-1')), '400 PAGINATION_NUMBER_INVALID');
  const catalog = await ask('GET', '/v2/_catalog?n=1');
  assert.deepEqual(await catalog.json(), { repositories: ['app'] });
  assert.match(catalog.headers.get('link') ?? '', /^<\/v2\/_catalog\?n=1&last=app>; rel="next"$/);
});

test('referrers are an index of what names the subject, and may be filtered by type', async (t) => {
  const ask = await start(t);
  const subject = await makeManifest(ask, 'app');
  const digest = computeDigest(subject);
  const none = await ask('GET', `/v2/app/referrers/${digest}`);
  assert.equal(none.headers.get('content-type'), MediaType.ociIndex);
  assert.deepEqual(await none.json(), { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] });
  const refer = async (artifactType: string) => {
    const manifest = await makeManifest(ask, 'app', {
      artifactType,
      annotations: { of: artifactType },
      subject: { mediaType: MediaType.ociManifest, digest, size: subject.length },
    });
    const pushed = await putManifest(ask, `/v2/app/manifests/${computeDigest(manifest)}`, manifest);
    assert.equal(pushed.headers.get('oci-subject'), digest);
    return manifest;
  };
  const signature = await refer('application/vnd.example.signature');
  await refer('application/vnd.example.bom');
  const all = (await (await ask('GET', `/v2/app/referrers/${digest}`)).json()) as { manifests: object[] };
  assert.equal(all.manifests.length, 2);
  const some = await ask('GET', `/v2/app/referrers/${digest}?artifactType=application/vnd.example.signature`);
  assert.equal(some.headers.get('oci-filters-applied'), 'artifactType');
  assert.deepEqual(((await some.json()) as { manifests: object[] }).manifests, [
    {
      mediaType: MediaType.ociManifest,
      digest: computeDigest(signature),
      size: signature.length,
      artifactType: 'application/vnd.example.signature',
      annotations: { of: 'application/vnd.example.signature' },
    },
  ]);
  assert.equal(await errorOf(await ask('GET', '/v2/app/referrers/sha256:x')), '400 DIGEST_INVALID');
});

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('strangers are asked who they are, also at /v2/ where they may pull; names that may not are denied', async (t) => {
  const door = basicDoor({ ann: 'pw' }, (name, action, repository) =>
    name === 'ann' ? repository === 'app' : action === 'pull' && repository === 'open',
  );
  const ask = await start(t, door);
  const ann = { authorization: basic('ann:pw') };
  const stranger = await ask('GET', '/v2/');
  assert.match(
    stranger.headers.get('www-authenticate') ?? '',
    /^Bearer realm="http:\/\/127.0.0.1:\d+\/token"$/,
  );
  assert.equal(await errorOf(stranger), '401 UNAUTHORIZED');
  assert.equal((await ask('GET', '/v2/', ann)).status, 200);
  assert.equal(
    await errorOf(await ask('GET', '/v2/', { authorization: basic('ann:no') })),
    '401 UNAUTHORIZED',
  );
  assert.equal((await ask('GET', '/v2/open/tags/list')).status, 404);
  const push = await ask('POST', '/v2/open/blobs/uploads/');
  assert.match(push.headers.get('www-authenticate') ?? '', /scope="repository:open:pull,push"$/);
  assert.equal(await errorOf(push), '401 UNAUTHORIZED');
  assert.equal((await ask('POST', '/v2/app/blobs/uploads/', ann)).status, 202);
  assert.equal(await errorOf(await ask('GET', '/v2/open/tags/list', ann)), '403 DENIED');
  const catalog = await ask('GET', '/v2/_catalog');
  assert.match(catalog.headers.get('www-authenticate') ?? '', /,scope="registry:catalog:\*"$/);
  assert.equal(await errorOf(catalog), '401 UNAUTHORIZED');
  // A token that does not suffice: the client is to get another one.
  const token = { authorization: `Bearer ${Buffer.from('ann:pw').toString('base64')}` };
  const narrow = await ask('GET', '/v2/open/tags/list', token);
  assert.match(
    narrow.headers.get('www-authenticate') ?? '',
    /scope="repository:open:pull",error="insufficient_scope"$/,
  );
  assert.equal(narrow.status, 401);
});

test("what is no endpoint, and what an endpoint cannot do, is answered in the specification's form", async (t) => {
  const ask = await start(t);
  assert.equal((await ask('GET', '/v2/')).headers.get('docker-distribution-api-version'), 'registry/2.0');
  assert.equal(await errorOf(await ask('GET', '/v2/app/elsewhere/x')), '404 NAME_UNKNOWN');
  assert.equal(await errorOf(await ask('GET', '/v2/manifests/x')), '404 NAME_UNKNOWN');
  assert.equal(await errorOf(await ask('POST', '/v2/app/manifests/x')), '405 UNSUPPORTED');
  assert.equal(await errorOf(await ask('PATCH', `/v2/app/blobs/${computeDigest('x')}`)), '405 UNSUPPORTED');
});
