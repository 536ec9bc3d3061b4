import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { collectBytes, SlipwayError, silentLogger, systemClock, systemRandom } from '@slipway/base';
import { awsJsonDialect } from './dialects/aws.ts';
import { ociDialect, ociErrorReply } from './dialects/oci.ts';
import { empty, file, json, stream } from './reply.ts';
import { type ServeOptions, serve } from './server.ts';

async function start(t: TestContext, sites: ServeOptions['sites']): Promise<number> {
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites,
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return server.port as number;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const ask = (
  port: number,
  method: string,
  path: string,
  {
    body,
    headers = {},
    agent = false,
  }: { body?: string; headers?: Record<string, string>; agent?: http.Agent | false } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = http.request(
      { port, host: '127.0.0.1', method, path, headers, agent },
      async (response) => {
        const chunks: Buffer[] = await response.toArray().catch((error) => {
          reject(error);
          return [];
        });
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      },
    );
    request.on('error', reject);
    request.end(body);
  });

const oci = (routes: ServeOptions['sites'][0]['routes']): ServeOptions['sites'] => [
  { dialect: ociDialect(), routes },
];

test('each request goes to the first site that takes it, and is answered in that site’s dialect', async (t) => {
  const port = await start(t, [
    {
      dialect: awsJsonDialect({ version: '1.1', random: systemRandom }),
      matches: ({ headers }) => headers['x-amz-target'] !== undefined,
      routes: [
        {
          method: 'POST',
          path: '/',
          handler: ({ headers }) => {
            if (headers['x-amz-target'] === 'Fine') return json(200, { fine: true });
            throw new SlipwayError('NotFound', 'no repository "x"', {
              reason: 'RepositoryNotFoundException',
            });
          },
        },
      ],
    },
    {
      dialect: ociDialect(),
      routes: [
        {
          method: 'GET',
          path: '/v2/*',
          handler: ({ version, params }) => json(200, { version, of: params['*'] }),
        },
      ],
    },
  ]);
  const fine = await ask(port, 'POST', '/', { headers: { 'X-Amz-Target': 'Fine' }, body: '{}' });
  assert.equal(fine.headers['content-type'], 'application/x-amz-json-1.1');
  assert.match(
    String(fine.headers['x-amzn-requestid']),
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const failed = await ask(port, 'POST', '/', { headers: { 'X-Amz-Target': 'Other' } });
  assert.equal(failed.status, 400);
  assert.notEqual(failed.headers['x-amzn-requestid'], fine.headers['x-amzn-requestid']);
  assert.equal(failed.headers['x-amzn-errortype'], 'RepositoryNotFoundException');
  assert.deepEqual(JSON.parse(failed.body.toString()), {
    __type: 'RepositoryNotFoundException',
    message: 'no repository "x"',
  });

  const found = await ask(port, 'GET', '/v2/a/b');
  assert.deepEqual(JSON.parse(found.body.toString()), { version: '0.0', of: 'a/b' });
  assert.equal(found.headers['docker-distribution-api-version'], 'registry/2.0');
  // A path that looks like a version is a path where the API has none.
  const missing = await ask(port, 'GET', '/v1.44/x');
  assert.deepEqual(
    [missing.status, JSON.parse(missing.body.toString()).errors[0].code],
    [404, 'UNSUPPORTED'],
  );
});

test('an OCI error has the status of its specified code, else that of its error code, and hides what is internal', () => {
  const said = (error: unknown) => {
    const { status, value } = ociErrorReply(error);
    return [status, (value as { errors: { code: string }[] }).errors[0]?.code];
  };
  assert.deepEqual(said(new SlipwayError('NotFound', 'x', { reason: 'BLOB_UPLOAD_UNKNOWN' })), [
    404,
    'BLOB_UPLOAD_UNKNOWN',
  ]);
  assert.deepEqual(said(new SlipwayError('InvalidArgument', 'x', { reason: 'SIZE_INVALID' })), [
    400,
    'SIZE_INVALID',
  ]);
  assert.deepEqual(said(new SlipwayError('ResourceExhausted', 'x', { reason: 'SIZE_INVALID' })), [
    413,
    'SIZE_INVALID',
  ]);
  assert.deepEqual(said(new SlipwayError('PermissionDenied', 'x', { reason: 'SOMETHING_ELSE' })), [
    403,
    'DENIED',
  ]);
  assert.deepEqual(said(new SlipwayError('Unavailable', 'x')), [503, 'UNAVAILABLE']);
  const hidden = ociErrorReply(new Error('/secret/path'));
  assert.equal(hidden.status, 500);
  assert.doesNotMatch(JSON.stringify(hidden.value), /secret/);
});

test('an error reply can carry the challenge', async (t) => {
  const challenge = 'Bearer realm="http://127.0.0.1/token"';
  const port = await start(
    t,
    oci([
      {
        method: 'GET',
        path: '/v2/',
        handler: () =>
          ociErrorReply(new SlipwayError('Unauthenticated', 'log in'), { 'WWW-Authenticate': challenge }),
      },
    ]),
  );
  const answer = await ask(port, 'GET', '/v2/');
  assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, challenge]);
});

test('a PATCH reaches its handler with its body', async (t) => {
  const port = await start(
    t,
    oci([
      {
        method: 'PATCH',
        path: '/v2/*',
        handler: async ({ body }) =>
          empty(202, { range: `0-${(await collectBytes(body, 100)).byteLength - 1}` }),
      },
    ]),
  );
  const answer = await ask(port, 'PATCH', '/v2/x', { body: 'seven b' });
  assert.deepEqual([answer.status, answer.headers.range], [202, '0-6']);
});

/** Three and a half MiB, of which no part is like another. */
async function bigFile(t: TestContext): Promise<{ path: string; bytes: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-file-'));
  t.after(() => rm(folder, { recursive: true }));
  const bytes = Buffer.alloc(3.5 * 1024 * 1024);
  for (let at = 0, seed = Buffer.from('x'); at < bytes.length; at += 32) {
    seed = createHash('sha256').update(seed).digest();
    seed.copy(bytes, at);
  }
  const path = join(folder, 'blob');
  await writeFile(path, bytes);
  return { path, bytes };
}

test('a file, or a part of it, is sent exactly, and the connection is good for the next request', async (t) => {
  const { path, bytes } = await bigFile(t);
  const port = await start(
    t,
    oci(
      (['GET', 'HEAD'] as const).map((method) => ({
        method,
        path: '/blob',
        handler: ({ query }) => {
          const offset = Number(query.get('offset') ?? 0);
          const length = Number(query.get('length') ?? bytes.length);
          return file(200, 'application/octet-stream', { path, offset, length }, { etag: '"x"' });
        },
      })),
    ),
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const whole = await ask(port, 'GET', '/blob', { agent });
  assert.equal(whole.headers['content-length'], String(bytes.length));
  assert.equal(whole.headers.etag, '"x"');
  assert.ok(whole.body.equals(bytes));
  const part = await ask(port, 'GET', '/blob?offset=1048577&length=1500001', { agent });
  assert.ok(part.body.equals(bytes.subarray(1_048_577, 1_048_577 + 1_500_001)));
  const none = await ask(port, 'GET', '/blob?length=0', { agent });
  assert.deepEqual([none.headers['content-length'], none.body.length], ['0', 0]);
  const head = await ask(port, 'HEAD', '/blob', { agent });
  assert.deepEqual([head.headers['content-length'], head.body.length], [String(bytes.length), 0]);
  const many = await Promise.all(Array.from({ length: 12 }, () => ask(port, 'GET', '/blob')));
  for (const answer of many) assert.ok(answer.body.equals(bytes));
});

test('a file that is missing is an error reply; one that is too short cuts the connection', async (t) => {
  const { path } = await bigFile(t);
  await truncate(path, 1_000);
  const port = await start(
    t,
    oci([
      {
        method: 'GET',
        path: '/gone',
        handler: () => file(200, 'a/b', { path: `${path}-gone`, offset: 0, length: 5 }),
      },
      { method: 'GET', path: '/short', handler: () => file(200, 'a/b', { path, offset: 0, length: 2_000 }) },
    ]),
  );
  const gone = await ask(port, 'GET', '/gone');
  assert.equal(gone.status, 500);
  assert.doesNotMatch(gone.body.toString(), /tmp/);
  await assert.rejects(ask(port, 'GET', '/short'), /aborted/);
});

test('a client that goes in the middle of a file leaves the server well, and its file closed', async (t) => {
  const { path, bytes } = await bigFile(t);
  await truncate(path, 64 * 1024 * 1024);
  const length = 64 * 1024 * 1024;
  const port = await start(
    t,
    oci([{ method: 'GET', path: '/blob', handler: () => file(200, 'a/b', { path, offset: 0, length }) }]),
  );
  for (let round = 0; round < 5; round++) {
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET /blob HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
  }
  const open = async () => {
    const { readdir, readlink } = await import('node:fs/promises');
    const links = (await readdir('/proc/self/fd')).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => ''),
    );
    return (await Promise.all(links)).filter((link) => link === path).length;
  };
  for (let tries = 0; tries < 100 && (await open()) > 0; tries++) await systemClock.sleep(20);
  assert.equal(await open(), 0);
  const after = await ask(port, 'GET', '/blob');
  assert.equal(after.body.length, length);
  assert.ok(after.body.subarray(0, bytes.length).equals(bytes));
});

test('a reply to HEAD has no body, whatever kind it is, and a stream is never begun', async (t) => {
  let chunks = 0;
  async function* body() {
    chunks++;
    yield 'x';
  }
  const port = await start(
    t,
    oci([
      { method: 'HEAD', path: '/json', handler: () => json(200, { a: 1 }) },
      { method: 'HEAD', path: '/stream', handler: () => stream(200, 'a/b', body()) },
      { method: 'HEAD', path: '/empty', handler: () => empty(200, { 'content-length': '77' }) },
    ]),
  );
  const jsonHead = await ask(port, 'HEAD', '/json');
  assert.deepEqual(
    [jsonHead.status, jsonHead.headers['content-length'], jsonHead.body.length],
    [200, '8', 0],
  );
  assert.equal((await ask(port, 'HEAD', '/stream')).headers['content-type'], 'a/b');
  assert.equal(chunks, 0);
  assert.equal((await ask(port, 'HEAD', '/empty')).headers['content-length'], '77');
});
