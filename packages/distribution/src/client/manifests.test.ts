import assert from 'node:assert/strict';
import { test } from 'node:test';
import { computeDigest, MediaType } from '@slipway/oci';
import { type Intercept, openTestClient, refuse, startRegistry } from './testing.ts';

const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, layers: [] }));
const digest = computeDigest(bytes);

async function setUp(intercept: Intercept = () => false) {
  const registry = await startRegistry(intercept);
  registry.addManifest('a/b', 'v1', bytes);
  const client = openTestClient();
  return {
    registry,
    repository: client.repository({ domain: registry.host, path: 'a/b' }),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Sends a document for every manifest, whatever HEAD or GET. */
const serving =
  (body: Buffer | string, headers: Record<string, string> = {}): Intercept =>
  (request, response) => {
    if (request.url === '/v2/') return false;
    response.writeHead(200, { 'content-type': MediaType.ociManifest, ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };

test('a tag is resolved by HEAD alone, and every type is accepted', async () => {
  await using it = await setUp();
  const descriptor = { mediaType: MediaType.ociManifest, digest, size: bytes.byteLength };
  assert.deepEqual(await it.repository.resolve('v1'), descriptor);
  assert.deepEqual(it.registry.asked(), ['HEAD /v2/a/b/manifests/v1']);
  const accept = it.registry.seen.at(-1)?.headers.accept ?? '';
  for (const type of [MediaType.ociIndex, MediaType.dockerManifestList, MediaType.dockerManifest, '*/*']) {
    assert.ok(accept.includes(type), accept);
  }
  const fetched = await it.repository.getManifest(digest);
  assert.deepEqual(fetched.descriptor, descriptor);
  assert.ok(fetched.bytes.equals(bytes));
});

test('where HEAD tells nothing, or is refused, GET is asked', async () => {
  for (const status of [200, 404, 405, 403]) {
    await using it = await setUp((request, response) => {
      if (request.method !== 'HEAD') return false;
      response.writeHead(status).end();
      return true;
    });
    assert.equal((await it.repository.resolve('v1')).digest, digest, String(status));
  }
});

test('what is not there is NotFound in the words of docker', async () => {
  await using it = await setUp();
  const { host } = it.registry;
  await assert.rejects(it.repository.resolve('nope'), {
    code: 'NotFound',
    reason: 'MANIFEST_UNKNOWN',
    message: `manifest for ${host}/a/b:nope not found: manifest unknown: manifest unknown`,
  });
  const missing = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(it.repository.getManifest(missing), {
    message: `manifest for ${host}/a/b@${missing} not found: manifest unknown: manifest unknown`,
  });
  it.registry.intercept = (_request, response) => {
    refuse(response, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    return true;
  };
  await assert.rejects(it.repository.resolve('v1'), {
    code: 'NotFound',
    reason: 'NAME_UNKNOWN',
    message: `repository ${host}/a/b not found: name unknown: repository name not known to registry`,
  });
});

test('other bytes than were asked for, or than the registry names, are DataLoss', async () => {
  const other = Buffer.from('{"schemaVersion":2,"layers":[],"annotations":{}}');
  await using it = await setUp(serving(other));
  await assert.rejects(it.repository.getManifest(digest), { code: 'DataLoss', reason: 'DIGEST_INVALID' });
  for (const said of [digest, 'sha256:short', 'md5:d41d8cd98f00b204e9800998ecf8427e']) {
    it.registry.intercept = serving(other, { 'docker-content-digest': said });
    await assert.rejects(it.repository.getManifest('v1'), { code: 'DataLoss' }, said);
  }
  it.registry.intercept = serving(other, {
    'docker-content-digest': computeDigest(other),
    'content-length': String(other.byteLength),
  });
  await assert.rejects(it.repository.resolve(digest), { code: 'DataLoss' });
});

test('what is no manifest is refused with the reason', async () => {
  const deep = `{"schemaVersion":2,"layers":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
  const cases: [string, Buffer | string, Record<string, string>, object][] = [
    [
      'HTML',
      '<html>',
      { 'content-type': 'text/html' },
      { message: /answered HTML, not a manifest; is .* a registry\?/ },
    ],
    ['no JSON', 'hello', {}, { code: 'InvalidArgument', message: /is not JSON/ }],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), {}, { code: 'InvalidArgument', message: /is not JSON/ }],
    ['an array', '[]', {}, { code: 'InvalidArgument', message: /not a JSON object/ }],
    ['hostile depth', deep, {}, { code: 'InvalidArgument', message: /nested deeper than the 64/ }],
    [
      'hostile size',
      Buffer.alloc(4 * 1024 * 1024 + 1, ' '),
      {},
      { code: 'InvalidArgument', message: /more than the 4194304/ },
    ],
    [
      'another type',
      bytes,
      { 'content-type': MediaType.ociIndex },
      { message: /calls the manifest .*, but it says itself that it is/ },
    ],
    [
      'schema 1 by its header',
      '{}',
      {
        'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws',
        'docker-content-digest': digest,
      },
      { code: 'NotImplemented', message: /schema 1/ },
    ],
    [
      'schema 1 by its version',
      '{"schemaVersion":1}',
      { 'content-type': 'application/json' },
      { code: 'NotImplemented' },
    ],
  ];
  for (const [name, body, headers, expected] of cases) {
    await using it = await setUp(serving(body, headers));
    await assert.rejects(it.repository.getManifest('v1'), expected, name);
  }
});

test('a manifest without a type of its own, from a registry that says none, gets the type it has', async () => {
  await using it = await setUp(
    serving('{"schemaVersion":2,"manifests":[]}', { 'content-type': 'application/json' }),
  );
  assert.equal((await it.repository.getManifest('v1')).descriptor.mediaType, MediaType.ociIndex);
});

test('a manifest that is cut within its body is asked for again', async () => {
  let cuts = 2;
  await using it = await setUp((request, response) => {
    if (request.method !== 'GET' || request.url === '/v2/' || cuts-- <= 0) return false;
    response.writeHead(200, { 'content-type': MediaType.ociManifest, 'content-length': bytes.byteLength });
    response.write(bytes.subarray(0, 5), () => response.destroy());
    return true;
  });
  assert.ok((await it.repository.getManifest('v1')).bytes.equals(bytes));
});

test('cut before an answer, silent, 500 and 503 are tried again, and given up with the cause', async () => {
  const status =
    (code: number): Intercept =>
    (_request, response) => {
      response.writeHead(code).end();
      return true;
    };
  const cut: Intercept = (request) => {
    request.socket.destroy();
    return true;
  };
  const faults: Record<string, [Intercept, object]> = {
    cut: [cut, { code: 'Unavailable', reason: 'CONNECTION_LOST' }],
    silence: [() => true, { code: 'Unavailable', reason: 'STALLED' }],
    500: [status(500), { code: 'Unavailable', reason: 'HTTP_500' }],
    503: [status(503), { code: 'Unavailable', reason: 'HTTP_503' }],
  };
  for (const [name, [fault, expected]] of Object.entries(faults)) {
    let times = 2;
    await using it = await setUp((request, response, seen) =>
      request.url !== '/v2/' && times-- > 0 ? fault(request, response, seen) : false,
    );
    assert.equal((await it.repository.resolve('v1')).digest, digest, name);
    times = Number.POSITIVE_INFINITY;
    const before = it.registry.asked().length;
    await assert.rejects(it.repository.resolve('v1'), (error: Error) => {
      assert.ok(error.message.startsWith(`registry ${it.registry.host}, repository a/b: `), error.message);
      return Object.entries(expected).every(([key, value]) => Reflect.get(error, key) === value);
    });
    assert.equal(it.registry.asked().length - before, 5, name);
  }
});

test('a registry that is not there is named at once', async () => {
  const registry = await startRegistry();
  await registry[Symbol.asyncDispose]();
  await using client = openTestClient();
  await assert.rejects(client.repository({ domain: registry.host, path: 'a/b' }).resolve('v1'), {
    code: 'Unavailable',
    reason: 'CONNECT_FAILED',
    message: new RegExp(`^registry ${registry.host}, repository a/b: .*ECONNREFUSED`),
  });
});

test('a manifest is pushed under its tag, checked, and refused where the registry does so', async () => {
  await using it = await setUp();
  const { digest: pushed } = await it.repository.pushManifest('v2', {
    bytes,
    mediaType: MediaType.ociManifest,
  });
  assert.equal(pushed, digest);
  assert.ok(it.registry.manifests.get('a/b:v2')?.bytes.equals(bytes));
  const wrong = `sha256:${'0'.repeat(64)}`;
  await assert.rejects(it.repository.pushManifest(wrong, { bytes, mediaType: MediaType.ociManifest }), {
    code: 'InvalidArgument',
  });
  it.registry.intercept = (request, response) => {
    if (request.method !== 'PUT') return false;
    refuse(response, 400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry');
    return true;
  };
  await assert.rejects(it.repository.pushManifest('v3', { bytes, mediaType: MediaType.ociManifest }), {
    code: 'InvalidArgument',
    reason: 'MANIFEST_BLOB_UNKNOWN',
    message:
      /repository a\/b: the manifest v3 was not taken: manifest blob unknown: blob unknown to registry$/,
  });
});

test('names and targets that would leave their place in a URL are refused before anything is asked', async () => {
  await using it = await setUp();
  for (const target of ['../../x', 'a/b', '', 'x?y', `sha1:${'0'.repeat(40)}`]) {
    await assert.rejects(it.repository.resolve(target), { code: 'InvalidArgument' }, target);
  }
  await using client = openTestClient();
  for (const path of ['../a', 'a//b', 'A', 'a?b', '']) {
    const repository = client.repository({ domain: it.registry.host, path });
    await assert.rejects(repository.resolve('v1'), { code: 'InvalidArgument' }, path);
  }
  for (const domain of ['a/b', '..', 'user@host', 'a?b']) {
    await assert.rejects(client.repository({ domain, path: 'a' }).resolve('v1'), { code: 'InvalidArgument' });
  }
  assert.deepEqual(it.registry.asked(), []);
});
