import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { silentLogger } from '@slipway/base';
import { computeDigest } from '@slipway/oci';
import { createEndpointFinder, type EndpointOptions } from './endpoints.ts';
import { openTestClient, readAllBytes, sendBytes, someBytes, startRegistry, startServer } from './testing.ts';
import { issueCertificates, temporaryFolder } from './testing-tls.ts';

const https = process.getBuiltinModule('node:https');

const manifest = Buffer.from('{"schemaVersion":2,"layers":[]}');
const blob = someBytes(1_000_000);
const descriptor = { digest: computeDigest(blob), size: blob.byteLength };

const finder = (options: Partial<EndpointOptions>) =>
  createEndpointFinder({ mirrors: [], insecure: [], certificateFolders: [], ...options });

/** Loopback is insecure by default; this makes it as strict as any other host. */
const strictly =
  (find: ReturnType<typeof finder>): ReturnType<typeof finder> =>
  async (domain) =>
    (await find(domain)).map((endpoint) => ({ ...endpoint, insecure: false }));

test('docker.io is reached at its registry, others at their name, loopback without checks', async () => {
  const find = finder({ insecure: ['plain.example:5000', '10.0.0.0/8', 'fd00::/8'] });
  const cases = [
    ['docker.io', 'https://registry-1.docker.io', false],
    ['ghcr.io', 'https://ghcr.io', false],
    ['localhost:5000', 'https://localhost:5000', true],
    ['127.8.8.8', 'https://127.8.8.8', true],
    ['[::1]:5000', 'https://[::1]:5000', true],
    ['127.example.com', 'https://127.example.com', false],
    ['localhost.example.com', 'https://localhost.example.com', false],
    ['plain.example:5000', 'https://plain.example:5000', true],
    ['plain.example', 'https://plain.example', false],
    ['10.1.2.3:80', 'https://10.1.2.3:80', true],
    ['11.1.2.3', 'https://11.1.2.3', false],
    ['[fd00::1]', 'https://[fd00::1]', true],
  ] as const;
  for (const [domain, url, insecure] of cases) {
    assert.deepEqual(await find(domain), [{ url, isMirror: false, insecure }], domain);
  }
});

test('mirrors come before the registry they stand for, and for no other', async () => {
  const find = finder({
    mirrors: [
      { domain: 'docker.io', url: 'https://m1.example/' },
      { domain: 'docker.io', url: 'http://localhost:5001/cache' },
      { domain: 'ghcr.io', url: 'https://m2.example' },
    ],
  });
  const urls = async (domain: string) =>
    (await find(domain)).map(({ url, isMirror }) => `${isMirror} ${url}`);
  assert.deepEqual(await urls('docker.io'), [
    'true https://m1.example',
    'true http://localhost:5001/cache',
    'false https://registry-1.docker.io',
  ]);
  assert.deepEqual(await urls('quay.io'), ['false https://quay.io']);
});

test('what is malformed in a configuration is refused with its value, and no password', () => {
  for (const insecure of ['http://host', 'host/x', '10.0.0.0/33', '10.0.0/8', '']) {
    assert.throws(() => finder({ insecure: [insecure] }), { code: 'InvalidArgument' }, insecure);
  }
  for (const url of ['m.example', 'ftp://m', 'https://m?x=1']) {
    assert.throws(
      () => finder({ mirrors: [{ domain: 'docker.io', url }] }),
      { code: 'InvalidArgument' },
      url,
    );
  }
  assert.throws(
    () => finder({ mirrors: [{ domain: 'docker.io', url: 'https://me:s3cret@m' }] }),
    (error: Error) => !error.message.includes('s3cret'),
  );
});

test('certificates are read as docker has them, and a missing key is told', async () => {
  await using folder = await temporaryFolder();
  const host = join(folder.path, 'r.example:5000');
  await mkdir(host);
  for (const name of ['a.crt', 'b.crt', 'client.cert', 'other.txt']) await writeFile(join(host, name), name);
  const find = finder({ certificateFolders: ['/nonexistent', folder.path] });
  await assert.rejects(find('r.example:5000'), {
    code: 'InvalidArgument',
    message: /not its key client\.key/,
  });
  await writeFile(join(host, 'client.key'), 'key');
  const [endpoint] = await find('r.example:5000');
  assert.deepEqual(endpoint?.ca, ['a.crt', 'b.crt']);
  assert.deepEqual(endpoint?.clientCertificate, { cert: 'client.cert', key: 'key' });
  const [other] = await find('r.example');
  assert.equal(other?.ca, undefined);
});

test('a registry with a CA of its own is believed with that CA alone, and sees the client certificate', async () => {
  await using folder = await temporaryFolder();
  const { ca, cert, key } = await issueCertificates(folder.path);
  let sawClient = false;
  await using server = await startServer(
    (request, response) => {
      sawClient = (request.socket as TLSSocket).authorized;
      sendBytes(
        request,
        response,
        manifest,
        { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
        '',
      );
    },
    (listener) =>
      https.createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, listener),
  );
  await using distrustful = openTestClient({ findEndpoints: strictly(finder({})) });
  const name = { domain: server.host, path: 'a/b' };
  await assert.rejects(distrustful.repository(name).getManifest('v1'), {
    code: 'Unavailable',
    reason: 'TLS_FAILED',
    message: /repository a\/b: .*certificate/,
  });
  const host = join(folder.path, 'certs', server.host);
  await mkdir(host, { recursive: true });
  for (const [file, text] of [
    ['ca.crt', ca],
    ['me.cert', cert],
    ['me.key', key],
  ] as const) {
    await writeFile(join(host, file), text);
  }
  const find = strictly(finder({ certificateFolders: [join(folder.path, 'certs')] }));
  await using client = openTestClient({ findEndpoints: find });
  assert.ok((await client.repository(name).getManifest('v1')).bytes.equals(manifest));
  assert.ok(sawClient);
  // Insecure: neither plain HTTP nor a certificate that nobody knows is in the way.
  await using lenient = openTestClient();
  assert.ok((await lenient.repository(name).getManifest('v1')).bytes.equals(manifest));
});

test('which protocol an insecure registry speaks is found out without a request more', async () => {
  await using registry = await startRegistry();
  registry.addManifest('a/b', 'v1', manifest);
  await using client = openTestClient();
  const repository = client.repository({ domain: registry.host, path: 'a/b' });
  await Promise.all([1, 2, 3].map(() => repository.resolve('v1')));
  await repository.resolve('v1');
  assert.deepEqual(registry.asked(), Array(4).fill('HEAD /v2/a/b/manifests/v1'));
});

test('what is asked over TLS is not continued in the clear', async () => {
  await using folder = await temporaryFolder();
  const { ca, cert, key } = await issueCertificates(folder.path);
  await using plain = await startServer((request, response) => {
    plain.seen.push({ method: '', path: request.url ?? '', headers: {}, bodyBytes: 0 });
    response.end();
  });
  await using secure = await startServer(
    (_request, response) => response.writeHead(302, { location: `http://${plain.host}/x` }).end(),
    (listener) => https.createServer({ cert, key }, listener),
  );
  const findEndpoints = async () => [
    { url: `https://${secure.host}`, isMirror: false, insecure: false, ca: [ca] },
  ];
  await using client = openTestClient({ findEndpoints });
  await assert.rejects(client.repository({ domain: 'r.example', path: 'a' }).getManifest('v1'), {
    code: 'PermissionDenied',
    reason: 'INSECURE_REDIRECT',
    message: /^registry r\.example, repository a: .*not HTTPS/,
  });
  assert.equal(plain.seen.length, 0);
});

test('a mirror is asked first, without the login of the registry; what it lacks comes from there', async () => {
  await using registry = await startRegistry();
  await using mirror = await startRegistry();
  registry.addManifest('a/b', 'v1', manifest);
  registry.addBlob(blob);
  const endpoints = { mirrors: [{ domain: registry.host, url: `http://${mirror.host}` }] };
  await using client = openTestClient({ endpoints });
  const user = { username: 'me', password: 'secret' };
  const repository = client.repository({ domain: registry.host, path: 'a/b' }, user);
  assert.equal((await repository.resolve('v1')).size, manifest.byteLength);
  assert.ok(mirror.asked().length > 0);
  mirror.addManifest('a/b', 'v1', manifest);
  const before = registry.asked().length;
  assert.equal((await repository.getManifest('v1')).bytes.byteLength, manifest.byteLength);
  assert.equal(registry.asked().length, before);
  // The mirror gives a part of the blob and then fails for good; a challenge gets no login out of us either.
  mirror.intercept = (request, response) => {
    if (request.headers.range !== undefined) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="mirror"' }).end();
      return true;
    }
    response.writeHead(200, { 'content-length': blob.byteLength });
    response.write(blob.subarray(0, 300_000), () => response.destroy());
    return true;
  };
  assert.ok((await readAllBytes(repository.openBlob(descriptor))).equals(blob));
  assert.match(registry.seen.at(-1)?.headers.range ?? '', /^bytes=\d+-$/);
  assert.ok(mirror.seen.every(({ headers }) => headers.authorization === undefined));
  mirror.blobs.clear();
  mirror.intercept = () => false;
  assert.deepEqual(await repository.findBlob(descriptor.digest), { sizeBytes: blob.byteLength });
  const asked = mirror.asked().length;
  await repository.pushManifest('v2', {
    bytes: manifest,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  });
  assert.equal(mirror.asked().length, asked, 'what is pushed goes to the registry alone');
});

test('a mirror that is not there is asked once, and then left alone for a while', async () => {
  await using registry = await startRegistry();
  registry.addManifest('a/b', 'v1', manifest);
  const gone = await startServer(() => {});
  await gone[Symbol.asyncDispose]();
  let asked = 0;
  const find = finder({ mirrors: [{ domain: registry.host, url: `http://${gone.host}` }] });
  const logged: unknown[] = [];
  const logger = { ...silentLogger, info: (_fields: object, message: string) => void logged.push(message) };
  await using client = openTestClient({
    logger,
    findEndpoints: (domain) => {
      asked++;
      return find(domain);
    },
  });
  const repository = client.repository({ domain: registry.host, path: 'a/b' });
  for (let time = 0; time < 3; time++) await repository.resolve('v1');
  assert.equal(asked, 3);
  assert.equal(logged.length, 1);
});
