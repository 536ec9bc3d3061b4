import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { systemClock } from '@slipway/base';
import type { Credentials } from './registry.ts';
import { openTestClient, refuse, startRegistry, startServer, type TestRegistry } from './testing.ts';

const manifest = Buffer.from('{"schemaVersion":2,"layers":[]}');

interface TokenServiceOptions {
  /** Answers instead of giving a token. */
  readonly refuse?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly answer?: (token: string) => object;
  readonly challengeScope?: string;
  /** Whether the registry takes a token. By default every one that was issued. */
  readonly takes?: (token: string) => boolean;
}

/** A registry that wants tokens, and the service that gives them: `t0`, `t1`, … */
async function setUp(options: TokenServiceOptions = {}) {
  let issued = 0;
  const forms: URLSearchParams[] = [];
  const service = await startServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    service.seen.push({ method, path, headers, bodyBytes: 0 });
    const body = [];
    for await (const chunk of request) body.push(chunk);
    forms.push(new URLSearchParams(Buffer.concat(body).toString()));
    if (options.refuse?.(request, response)) return;
    const token = `t${issued++}`;
    response.end(JSON.stringify(options.answer?.(token) ?? { token, expires_in: 300 }));
  });
  const registry = await startRegistry((request, response) => {
    const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    if (token !== undefined && (options.takes?.(token) ?? true)) return false;
    const scope = options.challengeScope === undefined ? '' : `,scope="${options.challengeScope}"`;
    response.setHeader('www-authenticate', `Bearer realm="http://${service.host}/token",service="s"${scope}`);
    refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
    return true;
  });
  for (const path of ['a/b', 'a/c']) registry.addManifest(path, 'v1', manifest);
  const client = openTestClient();
  const open = (path = 'a/b', credentials?: Credentials) =>
    client.repository({ domain: registry.host, path }, credentials);
  return {
    registry,
    service,
    forms,
    client,
    open,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

const query = (path: string | undefined) => new URL(path ?? '', 'http://x').searchParams;
const tokensSeen = (registry: TestRegistry) =>
  registry.seen.filter(({ path }) => path !== '/v2/').map(({ headers }) => headers.authorization);

test('one token is fetched for a scope, however many want it at once, and sent at once from then on', async () => {
  await using it = await setUp();
  const user = { username: 'me', password: 'p:w' };
  await it.open('a/b', user).resolve('v1');
  await Promise.all(Array.from({ length: 20 }, () => it.open('a/b', { ...user }).getManifest('v1')));
  assert.equal(it.service.seen.length, 1);
  const [first] = it.service.seen;
  assert.equal(query(first?.path).get('service'), 's');
  assert.equal(query(first?.path).get('account'), 'me');
  assert.deepEqual(query(first?.path).getAll('scope'), ['repository:a/b:pull']);
  assert.equal(first?.headers.authorization, `Basic ${btoa('me:p:w')}`);
  assert.deepEqual(new Set(tokensSeen(it.registry)), new Set([undefined, 'Bearer t0']));
  await it.open('a/c', user).resolve('v1');
  assert.equal(it.service.seen.length, 2);
  assert.equal(tokensSeen(it.registry).at(-1), 'Bearer t1', 'another scope needs no second challenge');
});

test('another login does not get the tokens of the first', async () => {
  await using it = await setUp();
  await it.open('a/b', { username: 'me', password: 'x' }).resolve('v1');
  await it.open('a/b').resolve('v1');
  assert.equal(it.service.seen.length, 2);
  assert.equal(it.service.seen[1]?.headers.authorization, undefined);
  assert.equal(query(it.service.seen[1]?.path).get('account'), null);
});

test('a token that the registry no longer takes is fetched anew, once', async () => {
  let revoked = '';
  await using it = await setUp({ takes: (token) => token !== revoked });
  await it.open().resolve('v1');
  revoked = 't0';
  await it.open().resolve('v1');
  assert.deepEqual(tokensSeen(it.registry).slice(-2), ['Bearer t0', 'Bearer t1']);
});

test('a registry that answers 401 for ever is asked three times, and named in the error', async () => {
  await using it = await setUp({ takes: () => false });
  await assert.rejects(it.open().getManifest('v1'), (error: Error & { code: string; reason: string }) => {
    assert.equal(error.code, 'Unauthenticated');
    assert.equal(error.reason, 'UNAUTHORIZED');
    assert.match(
      error.message,
      /^registry 127\.0\.0\.1:\d+, repository a\/b: .*unauthorized: authentication required$/,
    );
    return true;
  });
  assert.equal(it.registry.asked().length, 3);
});

test('what a token lacks is asked for when the registry says so, and insufficient scope is PermissionDenied', async () => {
  await using it = await setUp({
    challengeScope: 'repository:a/b:pull,push',
    takes: (token) => token !== 't0',
  });
  await it.open().resolve('v1');
  assert.deepEqual(query(it.service.seen.at(-1)?.path).getAll('scope'), ['repository:a/b:pull,push']);
  it.registry.intercept = (_request, response) => {
    response.setHeader(
      'www-authenticate',
      `Bearer realm="http://${it.service.host}/token",service="s",error="insufficient_scope"`,
    );
    response.writeHead(401).end();
    return true;
  };
  await assert.rejects(it.open('a/c').getManifest('v1'), {
    code: 'PermissionDenied',
    reason: 'DENIED',
    message: /repository a\/c: .*denied: requested access to the resource is denied$/,
  });
});

test('tokens live as long as they say, a minute at least', async () => {
  let nowMs = 1_000_000;
  const clock = Object.create(systemClock);
  clock.monotonicMs = () => nowMs;
  await using it = await setUp({ answer: (token) => ({ access_token: token, expires_in: 100 }) });
  await using client = openTestClient({ clock });
  const repository = client.repository({ domain: it.registry.host, path: 'a/b' });
  for (const [passedMs, fetched] of [
    [0, 1],
    [90_000, 1],
    [9_000, 2],
  ] as const) {
    nowMs += passedMs;
    await repository.resolve('v1');
    assert.equal(it.service.seen.length, fetched, `after ${passedMs} ms`);
  }
});

test('an identity token is exchanged by POST, and by GET where the service knows no POST', async () => {
  await using it = await setUp({
    refuse: (request, response) => {
      if (request.method !== 'POST') return false;
      if (it.forms.at(-1)?.get('refresh_token') === 'good') return false;
      response.writeHead(405).end();
      return true;
    },
  });
  await it.open('a/b', { username: '<token>', identityToken: 'good' }).resolve('v1');
  assert.deepEqual(Object.fromEntries(it.forms[0] ?? []), {
    grant_type: 'refresh_token',
    refresh_token: 'good',
    client_id: 'slipway',
    service: 's',
    scope: 'repository:a/b:pull',
  });
  await it.open('a/b', { username: 'me', password: 'x', identityToken: 'unknown here' }).resolve('v1');
  assert.deepEqual(
    it.service.seen.map(({ method }) => method),
    ['POST', 'POST', 'GET'],
  );
});

test('a registry token is sent as it is, and no token is asked for', async () => {
  await using it = await setUp({ takes: (token) => token === 'mine' });
  await it.open('a/b', { registryToken: 'mine' }).resolve('v1');
  assert.equal(it.service.seen.length, 0);
  await assert.rejects(it.open('a/b', { registryToken: 'wrong' }).resolve('v1'), { code: 'Unauthenticated' });
});

test('a token service that refuses is quoted, with neither password nor token in the error', async () => {
  await using it = await setUp({
    refuse: (_request, response) => {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end('{"details":"incorrect username or password"}');
      return true;
    },
  });
  await assert.rejects(
    it.open('a/b', { username: 'me', password: 's3cret' }).resolve('v1'),
    (error: Error) => {
      assert.match(
        error.message,
        /^registry 127.*repository:a\/b:pull: unauthorized: incorrect username or password$/,
      );
      assert.ok(!JSON.stringify([error.message, error.stack, String(error.cause)]).includes('s3cret'));
      return true;
    },
  );
  assert.equal(it.service.seen.length, 1, 'a refusal is not tried again');
});

test('a token service that is broken for a moment is asked again, one that gives rubbish is named', async () => {
  let fails = 2;
  await using it = await setUp({
    refuse: (_request, response) => {
      if (fails-- <= 0) return false;
      response.writeHead(503).end();
      return true;
    },
    answer: (token) => (token === 't0' ? { token } : {}),
  });
  await it.open().resolve('v1');
  assert.equal(it.service.seen.length, 3);
  await assert.rejects(it.open('a/c').resolve('v1'), { code: 'Unauthenticated', message: /without a token/ });
});

test('one who stops waiting for a token does not take it from the others', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using it = await setUp();
  const [listener] = it.service.server.listeners('request') as ((a: unknown, b: unknown) => void)[];
  it.service.server.removeAllListeners('request');
  it.service.server.on('request', (request, response) => void held.then(() => listener?.(request, response)));
  const controller = new AbortController();
  const leaving = it.open().resolve('v1', { signal: controller.signal });
  const staying = it.open().resolve('v1');
  const left = assert.rejects(leaving, /gone/);
  controller.abort(new Error('gone'));
  await left;
  release();
  assert.equal((await staying).size, manifest.byteLength);
  assert.equal(it.service.seen.length, 1);
});

test('basic credentials are sent after the challenge, once, and wrong ones are not sent again and again', async () => {
  await using it = await setUp();
  it.registry.intercept = (request, response) => {
    if (request.headers.authorization === `Basic ${btoa('me:right')}`) return false;
    response.setHeader('www-authenticate', 'Basic realm="r"');
    refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
    return true;
  };
  await it.open('a/b', { username: 'me', password: 'right' }).resolve('v1');
  const before = it.registry.asked().length;
  await assert.rejects(it.open('a/b', { username: 'me', password: 'wrong' }).getManifest('v1'), {
    code: 'Unauthenticated',
  });
  assert.equal(it.registry.asked().length - before, 2);
  await assert.rejects(it.open('a/b').getManifest('v1'), { code: 'Unauthenticated', reason: 'UNAUTHORIZED' });
});

test('a challenge that nobody knows here, or with a realm that is none, is said to be so', async () => {
  await using it = await setUp();
  for (const [header, message] of [
    ['Negotiate', /by negotiate, but only Bearer and Basic/],
    ['Bearer realm="nowhere"', /"nowhere", which is not a URL/],
    ['Bearer realm="ftp://host/x"', /ftp.*which is not HTTPS|not HTTPS/],
  ] as const) {
    it.registry.intercept = (_request, response) => {
      response.writeHead(401, { 'www-authenticate': header }).end();
      return true;
    };
    // More often than there may be connections: none is kept from the next.
    for (let time = 0; time < 20; time++) {
      await assert.rejects(it.open().resolve('v1'), { code: 'Unauthenticated', message });
    }
  }
});

test('login gives the identity token of the service, and quotes its refusal', async () => {
  await using it = await setUp({
    answer: (token) => ({ token, refresh_token: 'for later' }),
    refuse: (request, response) => {
      if (request.headers.authorization === `Basic ${btoa('me:right')}`) return false;
      response.writeHead(401).end('{"details":"incorrect username or password"}');
      return true;
    },
  });
  const found = await it.client.login(it.registry.host, { username: 'me', password: 'right' });
  assert.equal(found.identityToken, 'for later');
  const asked = query(it.service.seen[0]?.path);
  assert.equal(asked.get('offline_token'), 'true');
  assert.equal(asked.get('client_id'), 'slipway');
  assert.deepEqual(asked.getAll('scope'), []);
  await assert.rejects(it.client.login(it.registry.host, { username: 'me', password: 'wrong' }), {
    code: 'Unauthenticated',
    message: /^registry 127.*the login of me: unauthorized: incorrect username or password$/,
  });
});

test('login with basic authorization, without any, and at what is no registry', async () => {
  await using it = await setUp();
  it.registry.intercept = () => false;
  assert.deepEqual(await it.client.login(it.registry.host, { username: 'me', password: 'x' }), {
    identityToken: undefined,
  });
  it.registry.intercept = (request, response) => {
    if (request.headers.authorization === `Basic ${btoa('me:right')}`) return false;
    response.setHeader('www-authenticate', 'Basic realm="r"');
    refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
    return true;
  };
  await it.client.login(it.registry.host, { username: 'me', password: 'right' });
  await assert.rejects(it.client.login(it.registry.host, { username: 'me', password: 'wrong' }), {
    code: 'Unauthenticated',
    message: /^registry 127.*: login failed: unauthorized: authentication required$/,
  });
  it.registry.intercept = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    return true;
  };
  await assert.rejects(it.client.login(it.registry.host, {}), { message: /HTML.*a registry\?/ });
});
