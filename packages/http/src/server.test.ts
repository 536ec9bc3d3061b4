import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, SlipwayError, silentLogger, systemClock } from '@slipway/base';
import { VirtualClock } from '@slipway/base/testing';
import { z } from 'zod';
import { readJson } from './body.ts';
import { dockerDialect } from './dialects/docker.ts';
import { endSocket } from './hijack.ts';
import { empty, hijack, json, stream } from './reply.ts';
import type { Route } from './route.ts';
import { serve } from './server.ts';

const RAW = 'application/vnd.docker.raw-stream';

async function start(t: TestContext, routes: readonly Route[], clock: Clock = systemClock): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-http-'));
  await chmod(folder, 0o700);
  const socketPath = join(folder, 's.sock');
  const server = await serve({
    listen: { socketPath },
    sites: [{ routes, dialect: dockerDialect('0.0.0') }],
    clock,
    logger: silentLogger,
  });
  t.after(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return socketPath;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  socketPath: string,
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += String(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

const message = (answer: Answer): string => (JSON.parse(answer.body) as { message: string }).message;

/** A raw connection that collects what comes. */
async function connect(socketPath: string) {
  const socket = net.connect({ path: socketPath, allowHalfOpen: true });
  const state = { text: '', ended: false };
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    state.text += String(chunk);
  });
  socket.on('end', () => {
    state.ended = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const until = async (found: () => boolean) => {
    for (let tries = 0; !found(); tries++) {
      assert.ok(tries < 400, `still only: ${JSON.stringify(state.text)}`);
      await sleep(5);
    }
  };
  return { socket, state, until };
}

test('a request without a version gets the newest, and every reply carries the dialect’s headers', async (t) => {
  const socketPath = await start(t, [
    { method: 'GET', path: '/which', handler: (request) => json(200, { version: request.version }) },
  ]);
  const newest = await ask(socketPath, 'GET', '/which');
  assert.equal(newest.body, '{"version":"1.51"}\n');
  assert.equal(newest.headers['api-version'], '1.51');
  assert.equal(newest.headers['content-type'], 'application/json');
  assert.match(String(newest.headers.server), /^Slipway\//);
  assert.equal((await ask(socketPath, 'GET', '/v1.24/which')).body, '{"version":"1.24"}\n');
});

test('versions out of range are refused in docker’s words', async (t) => {
  const socketPath = await start(t, []);
  const old = await ask(socketPath, 'GET', '/v1.12/info');
  assert.equal(old.status, 400);
  assert.equal(
    message(old),
    'client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  );
  const young = await ask(socketPath, 'GET', '/v1.99/info');
  assert.equal(young.status, 400);
  assert.equal(message(young), 'client version 1.99 is too new. Maximum supported API version is 1.51');
});

test('unknown paths, methods and routes newer than the client are "page not found"', async (t) => {
  const socketPath = await start(t, [
    { method: 'GET', path: '/here', handler: () => empty(204) },
    { method: 'GET', path: '/new', since: '1.40', handler: () => empty(204) },
  ]);
  for (const [method, path] of [
    ['GET', '/nowhere'],
    ['POST', '/here'],
    ['GET', '/v1.39/new'],
    ['PROPFIND', '/here'],
  ] as const) {
    const answer = await ask(socketPath, method, path);
    assert.deepEqual([answer.status, message(answer)], [404, 'page not found'], `${method} ${path}`);
  }
  assert.equal((await ask(socketPath, 'GET', '/v1.40/new')).status, 204);
});

test('a wildcard in the middle takes slashes, and the longest ending wins', async (t) => {
  const which =
    (name: string): Route['handler'] =>
    (request) =>
      json(200, [name, request.params['*']]);
  const socketPath = await start(t, [
    { method: 'GET', path: '/images/json', handler: which('list') },
    { method: 'GET', path: '/images/*/json', handler: which('inspect') },
    { method: 'GET', path: '/images/*/history', handler: which('history') },
    { method: 'DELETE', path: '/images/*', handler: which('remove') },
  ]);
  const body = async (method: string, path: string) => JSON.parse((await ask(socketPath, method, path)).body);
  assert.deepEqual(
    await body('GET', '/images/json'),
    ['list', undefined].map((v) => v ?? null),
  );
  assert.deepEqual(await body('GET', '/v1.44/images/localhost:5000/a/b:1/json'), [
    'inspect',
    'localhost:5000/a/b:1',
  ]);
  assert.deepEqual(await body('GET', '/images/a%2Fb/history?x=1'), ['history', 'a/b']);
  assert.deepEqual(await body('DELETE', '/images/a/b@sha256:00'), ['remove', 'a/b@sha256:00']);
});

test('errors become {message} with docker’s status; not modified has no body', async (t) => {
  const fail =
    (error: Error): Route['handler'] =>
    () => {
      throw error;
    };
  const socketPath = await start(t, [
    { method: 'GET', path: '/missing', handler: fail(new SlipwayError('NotFound', 'No such container: x')) },
    { method: 'GET', path: '/same', handler: fail(new SlipwayError('NotModified', 'already started')) },
    { method: 'GET', path: '/bug', handler: fail(new TypeError('a bug')) },
    {
      method: 'GET',
      path: '/port',
      handler: fail(new SlipwayError('Conflict', 'taken', { reason: 'PORT_IN_USE' })),
    },
  ]);
  const missing = await ask(socketPath, 'GET', '/missing');
  assert.deepEqual([missing.status, message(missing)], [404, 'No such container: x']);
  const same = await ask(socketPath, 'GET', '/same');
  assert.deepEqual([same.status, same.body], [304, '']);
  assert.equal((await ask(socketPath, 'GET', '/bug')).status, 500);
  assert.equal((await ask(socketPath, 'GET', '/port')).status, 500);
});

test('JSON bodies: wrong content type, bad JSON and wrong shape are 400 in docker’s words; empty and null are {}', async (t) => {
  const schema = z.object({ Name: z.string().optional() });
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/read',
      handler: async (request) => json(200, await readJson(request, schema, { maxBytes: 100 })),
    },
  ]);
  const post = (body: string, type = 'application/json') =>
    ask(socketPath, 'POST', '/read', { body, headers: { 'content-type': type } });
  assert.equal((await post('{"Name":"a","Unknown":1}')).body, '{"Name":"a"}\n');
  assert.equal((await post('', '')).body, '{}\n');
  assert.equal((await post('null')).body, '{}\n');
  assert.equal(
    message(await post('{}', 'text/plain')),
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  );
  assert.match(message(await post('{"Name":')), /^invalid JSON: /);
  assert.match(message(await post('{"Name":1}')), /^invalid JSON: Name: /);
  const large = await post(`{"Name":"${'x'.repeat(200)}"}`);
  assert.equal(large.status, 400);
});

test('a stream’s headers arrive before its first chunk', async (t) => {
  const first = Promise.withResolvers<string>();
  const socketPath = await start(t, [
    {
      method: 'GET',
      path: '/slow',
      handler: () =>
        stream(
          200,
          'text/plain',
          (async function* () {
            yield await first.promise;
          })(),
        ),
    },
  ]);
  const { socket, state, until } = await connect(socketPath);
  socket.write('GET /slow HTTP/1.1\r\nHost: d\r\n\r\n');
  await until(() => state.text.includes('\r\n\r\n'));
  assert.match(state.text, /^HTTP\/1.1 200 OK\r\n/);
  first.resolve('hello');
  await until(() => state.text.includes('hello') && state.text.endsWith('0\r\n\r\n'));
  socket.destroy();
});

test('a slow reader slows the source down, and loses nothing', async (t) => {
  let made = 0;
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const socketPath = await start(t, [
    {
      method: 'GET',
      path: '/much',
      handler: () =>
        stream(
          200,
          'text/plain',
          (async function* () {
            for (; made < 500; made++) yield chunk;
          })(),
        ),
    },
  ]);
  const answer = await new Promise<http.IncomingMessage>((resolve) =>
    http.get({ socketPath, path: '/much', agent: false }, resolve),
  );
  await sleep(50);
  assert.ok(made < 100, `${made} chunks were made for a reader that reads none`);
  let sizeBytes = 0;
  for await (const part of answer) sizeBytes += (part as Buffer).length;
  assert.equal(sizeBytes, 500 * chunk.length);
});

test('an error in the middle of a stream cuts the connection, so the client cannot take it for the end', async (t) => {
  const socketPath = await start(t, [
    {
      method: 'GET',
      path: '/broken',
      handler: () =>
        stream(
          200,
          'text/plain',
          (async function* () {
            yield 'half';
            throw new Error('disk gone');
          })(),
        ),
    },
  ]);
  await assert.rejects(ask(socketPath, 'GET', '/broken'), /aborted|ECONNRESET|hang up/);
});

test('when the client goes, the handler’s signal aborts and the stream’s source is told', async (t) => {
  const told = Promise.withResolvers<void>();
  const returned = Promise.withResolvers<void>();
  const socketPath = await start(t, [
    {
      method: 'GET',
      path: '/forever',
      handler: (request) => {
        request.signal.addEventListener('abort', () => told.resolve());
        const waiting = Promise.withResolvers<IteratorResult<string>>();
        return stream(200, 'text/plain', {
          [Symbol.asyncIterator]: () => ({
            next: () => waiting.promise,
            return: async () => {
              waiting.resolve({ value: undefined, done: true });
              returned.resolve();
              return { value: undefined, done: true };
            },
          }),
        });
      },
    },
  ]);
  const { socket, state, until } = await connect(socketPath);
  socket.write('GET /forever HTTP/1.1\r\nHost: d\r\n\r\n');
  await until(() => state.text.includes('200 OK'));
  socket.destroy();
  await told.promise;
  await returned.promise;
});

test('a reply to a body that nobody reads arrives all the same', async (t) => {
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/load',
      handler: async (request) => {
        for await (const _chunk of request.body) break;
        throw new SlipwayError('InvalidArgument', 'not an archive');
      },
    },
  ]);
  const answer = await ask(socketPath, 'POST', '/load', { body: 'x'.repeat(20_000_000) });
  assert.deepEqual([answer.status, message(answer)], [400, 'not an archive']);
});

test('a stream that is answered while the body is still sent gets every byte of it', async (t) => {
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/count',
      handler: (request) =>
        stream(
          200,
          'text/plain',
          (async function* () {
            let sizeBytes = 0;
            yield 'counting ';
            for await (const chunk of request.body) sizeBytes += chunk.byteLength;
            yield String(sizeBytes);
          })(),
        ),
    },
    {
      method: 'POST',
      path: '/refuse',
      handler: (request) =>
        stream(
          200,
          'text/plain',
          (async function* () {
            for await (const _chunk of request.body) break;
            yield 'no';
          })(),
        ),
    },
  ]);
  const body = 'x'.repeat(20_000_000);
  assert.equal((await ask(socketPath, 'POST', '/count', { body })).body, 'counting 20000000');
  assert.equal((await ask(socketPath, 'POST', '/refuse', { body })).body, 'no');
});

const echo: Route = {
  method: 'POST',
  path: '/echo',
  handler: async (request) => {
    const body = await readJson(request, z.object({ greeting: z.string().optional() }));
    return hijack(RAW, async (connection) => {
      if (body.greeting !== undefined) await connection.write(Buffer.from(body.greeting));
      for await (const chunk of connection.input) await connection.write(chunk);
      await connection.write(Buffer.from('|end of input'));
    });
  },
};

test('hijack: no byte is lost between head, body and stream, wherever the packets are cut', async (t) => {
  const socketPath = await start(t, [echo]);
  const body = '{"greeting":"hello|"}';
  const whole = `POST /v1.44/echo HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}EARLY BYTES`;
  for (let cut = 1; cut < whole.length; cut += 7) {
    const { socket, state, until } = await connect(socketPath);
    socket.write(whole.slice(0, cut));
    await sleep(1);
    socket.write(whole.slice(cut));
    await until(() => state.text.includes('EARLY BYTES'));
    assert.match(
      state.text,
      /^HTTP\/1.1 101 UPGRADED\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/,
    );
    socket.write(' late');
    await until(() => state.text.includes('late'));
    socket.end();
    await until(() => state.ended);
    assert.equal(state.text.split('\r\n\r\n')[1], 'hello|EARLY BYTES late|end of input');
    socket.destroy();
  }
});

test('hijack: after the client’s half-close the server still writes all it has', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024, 'y');
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/much',
      handler: () =>
        hijack(RAW, async (connection) => {
          for await (const _ of connection.input);
          for (let index = 0; index < 20; index++) await connection.write(chunk);
        }),
    },
  ]);
  const { socket, state, until } = await connect(socketPath);
  socket.end('POST /much HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  await until(() => state.ended);
  assert.equal(state.text.split('\r\n\r\n')[1]?.length, 20 * chunk.length);
});

test('hijack: a client that went is noticed though nothing is written, one that ended its input is not gone', async (t) => {
  const clock = new VirtualClock();
  let signal: AbortSignal | undefined;
  const silent: Route = {
    method: 'POST',
    path: '/silent',
    handler: () =>
      hijack(RAW, async (connection) => {
        signal = connection.signal;
        await new Promise((resolve) => connection.signal.addEventListener('abort', resolve));
      }),
  };
  const socketPath = await start(t, [silent], clock);
  for (const headers of ['Connection: Upgrade\r\nUpgrade: tcp\r\n', '']) {
    const { socket, state, until } = await connect(socketPath);
    socket.write(`POST /silent HTTP/1.1\r\nHost: d\r\n${headers}\r\n`);
    await until(() => state.text.includes('\r\n\r\n'));
    if (headers !== '') {
      socket.end();
      await clock.advance(60_000);
      await sleep(20);
      assert.equal(signal?.aborted, false);
    }
    socket.destroy();
    await until(() => {
      void clock.advance(10_000);
      return signal?.aborted === true;
    });
    assert.doesNotMatch(state.text, /\r\n\r\n./s);
  }
});

test('hijack: nothing is waited for at the end of a connection that was closed', async (t) => {
  const socketPath = await start(t, []);
  const { socket } = await connect(socketPath);
  socket.destroy();
  await once(socket, 'close');
  await endSocket(socket, new VirtualClock());
});

test('hijack without an upgrade is a plain 200 whose end is the connection’s end', async (t) => {
  const socketPath = await start(t, [echo]);
  const { socket, state, until } = await connect(socketPath);
  socket.write(
    'POST /echo HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"greeting":"hi"}',
  );
  await until(() => state.ended);
  assert.match(state.text, /^HTTP\/1.1 200 OK\r\n/);
  assert.doesNotMatch(state.text, /upgrade:|transfer-encoding/i);
  assert.equal(state.text.split('\r\n\r\n')[1], 'hi|end of input');
  socket.destroy();
});

test('an error instead of a hijack is an ordinary reply on the socket that hoped to be upgraded', async (t) => {
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/attach',
      handler: () => {
        throw new SlipwayError('NotFound', 'No such container: x');
      },
    },
  ]);
  const answer = await ask(socketPath, 'POST', '/attach', {
    headers: { connection: 'Upgrade', upgrade: 'tcp' },
  });
  assert.deepEqual([answer.status, message(answer)], [404, 'No such container: x']);
});

test('a client that offers h2c on an ordinary route is answered in HTTP/1.1', async (t) => {
  const socketPath = await start(t, [{ method: 'GET', path: '/_ping', handler: () => empty(200) }]);
  const answer = await ask(socketPath, 'GET', '/_ping', {
    headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
  });
  assert.equal(answer.status, 200);
});

test('a route that speaks HTTP/2 is upgraded to h2c and given the connection itself', async (t) => {
  const socketPath = await start(t, [
    {
      method: 'POST',
      path: '/grpc',
      upgradesTo: 'h2c',
      handler: () =>
        hijack('application/grpc', async ({ socket }) => {
          assert.ok(socket !== undefined);
          for await (const chunk of socket.iterator({ destroyOnReturn: false })) socket.write(chunk);
        }),
    },
  ]);
  const { socket, state, until } = await connect(socketPath);
  socket.write('POST /v1.44/grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  await until(() => state.text.includes('\r\n\r\n'));
  assert.match(state.text, /^HTTP\/1.1 101 UPGRADED\r\n[\s\S]*\r\nUpgrade: h2c\r\n/);
  socket.write('PRI * HTTP/2.0');
  await until(() => state.text.endsWith('PRI * HTTP/2.0'));
  socket.end();
  await until(() => state.ended);
  socket.destroy();
});

test('closing the server ends running streams and hijacked connections', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-http-'));
  const socketPath = join(folder, 's.sock');
  const server = await serve({
    listen: { socketPath },
    sites: [
      {
        dialect: dockerDialect('0.0.0'),
        routes: [
          {
            method: 'POST',
            path: '/attach',
            handler: () =>
              hijack(RAW, async (connection) => {
                await new Promise<void>((resolve) =>
                  connection.signal.addEventListener('abort', () => resolve()),
                );
              }),
          },
        ],
      },
    ],
    clock: systemClock,
    logger: silentLogger,
  });
  const { socket, state, until } = await connect(socketPath);
  socket.write('POST /attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  await until(() => state.text.includes('101'));
  await server[Symbol.asyncDispose]();
  await until(() => state.ended);
  socket.destroy();
  await rm(folder, { recursive: true });
});

test('a no-op request on a kept connection takes well under 0.3 ms', async (t) => {
  const socketPath = await start(t, [{ method: 'GET', path: '/_ping', handler: () => empty(200) }]);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ping = () =>
    new Promise<void>((resolve, reject) => {
      http
        .get({ socketPath, path: '/v1.44/_ping', agent }, (response) => response.resume().on('end', resolve))
        .on('error', reject);
    });
  for (let round = 0; round < 300; round++) await ping();
  const startedAt = performance.now();
  for (let round = 0; round < 500; round++) await ping();
  const msEach = (performance.now() - startedAt) / 500;
  agent.destroy();
  t.diagnostic(`${msEach.toFixed(3)} ms each, client included`);
  assert.ok(msEach < 1.5, `${msEach} ms`);
});

for (const connection of ['keep-alive', 'close']) {
  test(`a refusal in the middle of a body arrives, though the client is still sending and reads late (${connection})`, async (t) => {
    const refuse: Route = {
      method: 'PATCH',
      path: '/blob',
      handler: async ({ body }) => {
        for await (const _ of body) throw new SlipwayError('PermissionDenied', 'over quota');
        return empty(204);
      },
    };
    const socket = net.connect(await start(t, [refuse]));
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    const piece = Buffer.alloc(64 * 1024);
    const pieces = 16;
    socket.write(
      `PATCH /blob HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\nContent-Length: ${piece.byteLength * pieces}\r\n\r\n`,
    );
    for (let sent = 0; sent < pieces; sent++) {
      socket.write(piece);
      await sleep(5);
    }
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
    assert.match(String(answer), /^HTTP\/1\.1 403 [\s\S]*over quota/);
    assert.deepEqual(errors, []);
    if (connection === 'close') await once(socket, 'close', { signal: AbortSignal.timeout(5_000) });
    else socket.destroy();
  });
}
