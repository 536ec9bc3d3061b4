import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, type Logger, silentLogger, systemClock, systemRandom } from '@slipway/base';
import type { Visitor } from '@slipway/distribution/server';
import { dockerDialect, ociDialect, serve } from '@slipway/http';
import { openDatabase } from '@slipway/store';
import { accountRoutes, openAccounts, tokenRoutes } from './index.ts';
import { parseScopes } from './token-routes.ts';
import { fits } from './visitor.ts';

const PASSWORD = 'correct horse';

interface Bench {
  readonly accounts: ReturnType<typeof openAccounts>;
  readonly path: string;
  advance(ms: number): void;
}

function open(
  t: TestContext,
  {
    anonymousPull = false,
    path,
    logger = silentLogger,
  }: { anonymousPull?: boolean; path?: string; logger?: Logger } = {},
): Bench {
  const folder = path === undefined ? mkdtempSync(join(tmpdir(), 'slipway-accounts-')) : undefined;
  const file = path ?? join(folder ?? '', 'db.sqlite');
  const database = openDatabase(file);
  let aheadMs = 0;
  const clock: Clock = {
    ...systemClock,
    nowMs: () => systemClock.nowMs() + aheadMs,
    monotonicMs: () => systemClock.monotonicMs() + aheadMs,
  };
  t.after(() => {
    database[Symbol.dispose]();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });
  const accounts = openAccounts({
    database,
    clock,
    random: systemRandom,
    logger,
    settings: { anonymousPull },
  });
  return {
    accounts,
    path: file,
    advance: (ms) => {
      aheadMs += ms;
    },
  };
}

const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const all = ['pull', 'push', 'delete'] as const;
const unauthenticated = { code: 'Unauthenticated', reason: 'UNAUTHORIZED' };

/** What somebody may do with a repository, as a word. */
const rights = (visitor: Visitor, repository: string) =>
  all.filter((action) => visitor.may(action, repository)).join('+');

test('while there is no account everybody is an administrator, whatever they send', async (t) => {
  const { accounts } = open(t);
  assert.equal(accounts.isGuarded, false);
  for (const headers of [{}, basic('any', 'thing'), bearer('junk')]) {
    const visitor = await accounts.admit(headers);
    assert.deepEqual([visitor.isAdmin, rights(visitor, 'x')], [true, 'pull+push+delete']);
  }
});

test('an access key of root closes nothing and opens nothing: root has no password to log in with', async (t) => {
  const { accounts, path } = open(t);
  const key = accounts.addAccessKey();
  assert.equal(key.account, 'root');
  assert.deepEqual(
    accounts.list().map(({ name, isAdmin, hasPassword }) => [name, isAdmin, hasPassword]),
    [['root', true, false]],
  );
  assert.equal(accounts.isGuarded, false);
  assert.equal((await accounts.admit({})).isAdmin, true);
  await accounts.add({ name: 'ada', password: PASSWORD });
  assert.equal(accounts.isGuarded, true);
  for (const password of ['', 'undefined', key.secretAccessKey]) {
    await assert.rejects(accounts.admit(basic('root', password)), unauthenticated);
  }
  assert.equal(open(t, { path }).accounts.list()[1]?.hasPassword, false);
  await accounts.update('root', { password: PASSWORD });
  assert.equal((await accounts.admit(basic('root', PASSWORD))).isAdmin, true);
  assert.throws(() => accounts.addAccessKey('nobody'), { code: 'NotFound' });
});

test('the first account closes the door: a token that was issued before it opens nothing', async (t) => {
  const { accounts } = open(t);
  const { token } = await accounts.issueToken(await accounts.admit({}), [{ repository: 'x', actions: all }]);
  await accounts.add({ name: 'ada', password: PASSWORD, isAdmin: true });
  const visitor = await accounts.admit(bearer(token));
  assert.deepEqual([visitor.isAdmin, rights(visitor, 'x')], [false, '']);
  assert.deepEqual(rights(await accounts.admit({}), 'x'), '');
});

test('anonymous visitors pull, and nothing else, when that was allowed', async (t) => {
  const { accounts } = open(t, { anonymousPull: true });
  await accounts.add({ name: 'ada', password: PASSWORD });
  assert.equal(rights(await accounts.admit({}), 'x'), 'pull');
});

test('a password lets its account in with its grants; a wrong one, or an unknown name, does not', async (t) => {
  const { accounts } = open(t);
  await accounts.add({
    name: 'ada',
    password: PASSWORD,
    grants: [
      { repositories: 'team/*', actions: ['pull', 'push'] },
      { repositories: 'base', actions: ['pull'] },
    ],
  });
  const visitor = await accounts.admit(basic('ada', PASSWORD));
  assert.equal(visitor.name, 'ada');
  assert.deepEqual(
    ['team/a', 'team/a/b', 'teams', 'base', 'base2'].map((name) => rights(visitor, name)),
    ['pull+push', 'pull+push', '', 'pull', ''],
  );
  await assert.rejects(accounts.admit(basic('ada', 'correct house')), unauthenticated);
  await assert.rejects(accounts.admit(basic('bob', PASSWORD)), unauthenticated);
  await assert.rejects(accounts.admit({ authorization: 'Digest x' }), unauthenticated);
  await assert.rejects(accounts.admit({ authorization: 'Basic' }), unauthenticated);
});

test('a password that comes with each request is hashed once, and not trusted after it was changed', async (t) => {
  const { accounts, advance } = open(t);
  await accounts.add({ name: 'ada', password: PASSWORD });
  await accounts.admit(basic('ada', PASSWORD));
  const before = process.cpuUsage();
  for (let times = 0; times < 200; times++) await accounts.admit(basic('ada', PASSWORD));
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 200 * 5_000, `200 requests took ${(user + system) / 1000} ms of processor time`);
  await accounts.update('ada', { password: 'another horse' });
  await assert.rejects(accounts.admit(basic('ada', PASSWORD)), unauthenticated);
  advance(10 * 60 * 1000);
  assert.equal((await accounts.admit(basic('ada', 'another horse'))).name, 'ada');
});

test('a token is good for what it names, of that for what its account may do now, until it expires', async (t) => {
  const { accounts, advance } = open(t);
  await accounts.add({
    name: 'ada',
    password: PASSWORD,
    grants: [{ repositories: 'team/*', actions: ['pull', 'push'] }],
  });
  const issued = await accounts.issueToken(accounts.visitor('ada'), [
    { repository: 'team/a', actions: all },
    { repository: 'other', actions: ['pull'] },
  ]);
  assert.equal(issued.expiresInSeconds, 300);
  const visitor = await accounts.admit(bearer(issued.token));
  assert.deepEqual(
    ['team/a', 'team/b', 'other'].map((name) => rights(visitor, name)),
    ['pull+push', '', ''],
  );
  await accounts.update('ada', { grants: [{ repositories: 'team/*', actions: ['pull'] }] });
  assert.equal(rights(await accounts.admit(bearer(issued.token)), 'team/a'), 'pull');
  const [head, , signature] = issued.token.split('.');
  const forged = [
    head,
    Buffer.from('{"sub":"ada","exp":9999999999,"use":"access"}').toString('base64url'),
    signature,
  ];
  await assert.rejects(accounts.admit(bearer(forged.join('.'))), unauthenticated);
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
  await assert.rejects(accounts.admit(bearer([unsigned, forged[1], ''].join('.'))), unauthenticated);
  advance(301_000);
  await assert.rejects(accounts.admit(bearer(issued.token)), { ...unauthenticated, message: /expired/ });
});

test('a new password withdraws tokens, and so does removal, also when the name is given again', async (t) => {
  const { accounts } = open(t);
  await accounts.add({ name: 'root', password: PASSWORD });
  await accounts.add({ name: 'ada', password: PASSWORD, isAdmin: true });
  const issue = async () => (await accounts.issueToken(accounts.visitor('ada'), [])).token;
  const first = await issue();
  await accounts.update('ada', { password: PASSWORD });
  await assert.rejects(accounts.admit(bearer(first)), { ...unauthenticated, message: /withdrawn/ });
  const second = await issue();
  accounts.remove('ada');
  await assert.rejects(accounts.admit(bearer(second)), unauthenticated);
  await accounts.add({ name: 'ada', password: PASSWORD, isAdmin: true });
  await assert.rejects(accounts.admit(bearer(second)), unauthenticated);
});

test('AWS’s way: user AWS with a token for everything is the account, and no more than the account', async (t) => {
  const { accounts } = open(t);
  await accounts.add({
    name: 'ada',
    password: PASSWORD,
    grants: [{ repositories: 'team/*', actions: ['pull'] }],
  });
  const { token } = await accounts.issueToken(accounts.visitor('ada'), [{ repository: '*', actions: all }], {
    expiresInSeconds: 12 * 3600,
  });
  const visitor = await accounts.admit(basic('AWS', token));
  assert.deepEqual([visitor.name, rights(visitor, 'team/a'), rights(visitor, 'x')], ['ada', 'pull', '']);
  await assert.rejects(accounts.add({ name: 'AWS', password: PASSWORD }), { code: 'InvalidArgument' });
});

test('accounts and keys are there after a restart, and tokens of before are still good', async (t) => {
  const { accounts, path } = open(t);
  await accounts.add({ name: 'ada', password: PASSWORD, isAdmin: true });
  const key = accounts.addAccessKey('ada');
  const { token } = await accounts.issueToken(accounts.visitor('ada'), [{ repository: 'x', actions: all }]);
  const { accounts: again } = open(t, { path });
  assert.deepEqual(again.list(), accounts.list());
  assert.deepEqual(again.findAccessKey(key.accessKeyId), key);
  assert.equal(rights(await again.admit(bearer(token)), 'x'), 'pull+push+delete');
  again.remove('ada');
  assert.equal(again.findAccessKey(key.accessKeyId), undefined);
  assert.match(key.accessKeyId, /^[A-Z0-9]{16,128}$/);
  assert.equal(key.secretAccessKey.length, 40);
});

test('what cannot be an account is refused without showing the password', async (t) => {
  const { accounts } = open(t);
  const invalid = { code: 'InvalidArgument' };
  await assert.rejects(accounts.add({ name: 'a:b', password: PASSWORD }), invalid);
  await assert.rejects(accounts.add({ name: 'ada', password: 'hunter2' }), {
    ...invalid,
    message: /^(?!.*hunter2)/,
  });
  const grants = (repositories: string, actions: readonly ('pull' | 'push')[]) =>
    accounts.add({ name: 'ada', password: PASSWORD, grants: [{ repositories, actions }] });
  await assert.rejects(grants('Team', ['pull']), invalid);
  await assert.rejects(grants('team', []), invalid);
  const both = await Promise.allSettled([
    accounts.add({ name: 'ada', password: PASSWORD }),
    accounts.add({ name: 'ada', password: 'other horse' }),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  await assert.rejects(accounts.update('bob', {}), { code: 'NotFound' });
  assert.throws(() => accounts.remove('bob'), { code: 'NotFound' });
});

test('a star stands for any characters, and a pattern of many costs no more than its length', () => {
  assert.deepEqual(
    ['team/*', '*', 'team/*/api', '*api', 'team/x/api', 'team/*x*/a*i'].map((pattern) =>
      fits(pattern, 'team/x/api'),
    ),
    [true, true, true, true, true, true],
  );
  assert.deepEqual(
    ['team', 'team/*/api/*', 'x/*', 'team/x/api*i', '*x*x*'].map((pattern) => fits(pattern, 'team/x/api')),
    [false, false, false, false, false],
  );
  const before = process.cpuUsage().user;
  assert.equal(fits(`${'*a'.repeat(100)}*b`, 'a'.repeat(255)), false);
  assert.ok(process.cpuUsage().user - before < 50_000);
});

test('scopes name repositories and actions, several in one text too, and a star is no repository', () => {
  assert.deepEqual(
    parseScopes(['repository:a/b:pull,push repository(plugin):c:*', 'registry:other:*', 'repository:*:pull']),
    [
      { repository: 'a/b', actions: ['pull', 'push'] },
      { repository: 'c', actions: ['pull', 'push', 'delete'] },
    ],
  );
});

test('a token for the catalogue shows what the account may pull, and no more', async (t) => {
  const { accounts } = open(t);
  const grants = [{ repositories: 'team/*', actions: all }];
  await accounts.add({ name: 'ada', password: PASSWORD, grants });
  const scopes = parseScopes(['registry:catalog:*']);
  const { token } = await accounts.issueToken(accounts.visitor('ada'), scopes);
  const visitor = await accounts.admit(bearer(token));
  assert.deepEqual([rights(visitor, 'team/a'), rights(visitor, 'other')], ['pull', '']);
});

async function startDoor(t: TestContext, accounts: Bench['accounts']): Promise<string> {
  const server = await serve({
    listen: { port: 0, host: '127.0.0.1' },
    sites: [
      {
        matches: ({ path }) => path.startsWith('/slipway'),
        dialect: dockerDialect('0'),
        routes: accountRoutes(accounts),
      },
      { dialect: ociDialect(), routes: tokenRoutes(accounts) },
    ],
    clock: systemClock,
    logger: silentLogger,
  });
  t.after(() => server[Symbol.asyncDispose]());
  return `http://127.0.0.1:${server.port}`;
}

interface TokenBody {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly refresh_token?: string;
}

test('docker’s token protocol: a name and password become a token, offline one that gets more', async (t) => {
  const { accounts } = open(t);
  await accounts.add({
    name: 'ada',
    password: PASSWORD,
    grants: [{ repositories: 'a', actions: ['pull', 'push'] }],
  });
  const url = `${await startDoor(t, accounts)}/token`;
  const query =
    'service=slipway&account=ada&scope=repository:a:pull,push&scope=repository:b:pull&client_id=docker';
  const got = await fetch(`${url}?${query}&offline_token=true`, { headers: basic('ada', PASSWORD) });
  assert.equal(got.status, 200);
  const body = (await got.json()) as TokenBody;
  assert.equal(body.token, body.access_token);
  assert.ok(body.expires_in >= 60 && !Number.isNaN(Date.parse(body.issued_at)));
  const visitor = await accounts.admit(bearer(body.token));
  assert.deepEqual([rights(visitor, 'a'), rights(visitor, 'b')], ['pull+push', '']);

  const post = (form: Record<string, string>) =>
    fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ service: 'slipway', client_id: 'docker', ...form }),
    });
  const refreshed = await post({
    grant_type: 'refresh_token',
    refresh_token: body.refresh_token ?? '',
    scope: 'repository:a:pull repository:c:pull',
  });
  const again = (await refreshed.json()) as TokenBody;
  assert.equal(rights(await accounts.admit(bearer(again.access_token)), 'a'), 'pull');
  assert.equal(again.refresh_token, undefined);
  const logged = await post({
    grant_type: 'password',
    username: 'ada',
    password: PASSWORD,
    access_type: 'offline',
  });
  assert.ok(((await logged.json()) as TokenBody).refresh_token);

  // Neither kind of token does the other's work.
  await assert.rejects(accounts.admit(bearer(body.refresh_token ?? '')), unauthenticated);
  assert.equal((await post({ grant_type: 'refresh_token', refresh_token: body.token })).status, 401);
  const wrong = await fetch(url, { headers: basic('ada', 'wrong') });
  assert.equal(wrong.status, 401);
  assert.match(wrong.headers.get('www-authenticate') ?? '', /^Basic /);
  assert.deepEqual(await wrong.json(), {
    errors: [{ code: 'UNAUTHORIZED', message: 'unknown user name or wrong password' }],
  });
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await post({ grant_type: 'magic' })).status, 400);
});

test('a token cannot be traded for a wider one', async (t) => {
  const { accounts } = open(t);
  await accounts.add({ name: 'ada', password: PASSWORD, isAdmin: true });
  const url = `${await startDoor(t, accounts)}/token`;
  const { token } = await accounts.issueToken(accounts.visitor('ada'), [
    { repository: 'a', actions: ['pull'] },
  ]);
  const wider = `${url}?scope=repository:a:push&scope=repository:b:pull&offline_token=true`;
  assert.equal((await fetch(wider, { headers: bearer(token) })).status, 401);
  const body = (await (await fetch(wider, { headers: basic('AWS', token) })).json()) as TokenBody;
  const visitor = await accounts.admit(bearer(body.token));
  assert.deepEqual([rights(visitor, 'a'), rights(visitor, 'b')], ['', '']);
  assert.equal(body.refresh_token, undefined);
});

test('accounts and keys are managed over the socket, strictly, and no secret comes back but a new key’s', async (t) => {
  const { accounts } = open(t);
  const base = `${await startDoor(t, accounts)}/slipway/accounts`;
  const call = async (method: string, path = '', body?: unknown) => {
    const init =
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await fetch(base + path, { method, ...init });
    const text = await answer.text();
    return { status: answer.status, text, value: text === '' ? undefined : JSON.parse(text) };
  };
  const grants = [{ repositories: 'team/*', actions: ['pull'] }];
  const made = await call('POST', '', { name: 'ada', password: PASSWORD, grants });
  assert.equal(made.status, 201);
  assert.equal((await call('POST', '', { name: 'ada', password: PASSWORD })).status, 409);
  assert.equal((await call('POST', '', { name: 'bob', password: PASSWORD, admin: true })).status, 400);
  const updated = await call('PUT', '/ada', { isAdmin: true });
  assert.deepEqual([updated.value.isAdmin, updated.value.grants], [true, grants]);
  const listed = await call('GET');
  assert.deepEqual(listed.value, [updated.value]);
  assert.doesNotMatch(listed.text, /scrypt|horse|generation/);

  const key = (await call('POST', '/ada/keys')).value;
  assert.equal(accounts.findAccessKey(key.accessKeyId)?.secretAccessKey, key.secretAccessKey);
  assert.deepEqual((await call('GET', '/ada/keys')).value, [{ accessKeyId: key.accessKeyId }]);
  assert.equal((await call('POST', '/bob/keys')).status, 404);
  assert.equal((await call('DELETE', `/ada/keys/${key.accessKeyId}`)).status, 204);
  assert.equal((await call('DELETE', `/ada/keys/${key.accessKeyId}`)).status, 404);
  assert.equal((await call('DELETE', '/ada')).status, 204);
  assert.equal(accounts.isGuarded, false);
});

test('the challenge names this host as the client does, and cannot be broken out of', (t) => {
  const { accounts } = open(t);
  assert.equal(
    accounts.challenge({ host: 'localhost:5001', repository: 'a/b', actions: ['pull', 'push'] }),
    'Bearer realm="http://localhost:5001/token",service="slipway",scope="repository:a/b:pull,push"',
  );
  assert.equal(
    accounts.challenge({ host: '[::1]:5001' }),
    'Bearer realm="http://[::1]:5001/token",service="slipway"',
  );
  assert.equal(
    accounts.challenge({ host: 'x",realm="http://evil' }),
    'Bearer realm="http://127.0.0.1/token",service="slipway"',
  );
});
