import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { ApiRequest } from './harness/api.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();

const messageOf = (json: unknown): string => (json as { message?: string } | undefined)?.message ?? '';

const CASES: readonly (readonly [what: string, request: ApiRequest, status: number, message: RegExp])[] = [
  ['an unknown path', { path: '/v1.41/nosuchthing' }, 404, /^page not found$/],
  ['an API version of old', { path: '/v1.12/containers/json' }, 400, /client version 1\.12 is too old/],
  ['an API version to come', { path: '/v1.99/containers/json' }, 400, /client version 1\.99 is too new/],
  ['an unknown container', { path: '/v1.41/containers/nosuch/json' }, 404, /^No such container: nosuch$/],
  [
    'an unknown image',
    { method: 'POST', path: '/v1.41/containers/create', body: { Image: 'nosuch:1' } },
    404,
    /^No such image: nosuch:1$/,
  ],
  [
    'a create without an image',
    { method: 'POST', path: '/v1.41/containers/create', body: {} },
    400,
    /^([Nn]o image|[Cc]onfig cannot be empty|.*required|.*Image)/,
  ],
  ['JSON that is none', { method: 'POST', path: '/v1.41/containers/create', body: '{"Image": ' }, 400, /./],
  [
    'a body of the wrong kind',
    { method: 'POST', path: '/v1.41/containers/create', body: { Image: 'busybox', Cmd: 7 } },
    400,
    /./,
  ],
  [
    'a bad name',
    { method: 'POST', path: '/v1.41/containers/create?name=-x', body: { Image: 'busybox' } },
    400,
    /Invalid container name \(-x\)/,
  ],
  [
    'a bad reference',
    { method: 'POST', path: '/v1.41/images/busybox/tag?repo=UPPER' },
    400,
    /must be lowercase|invalid reference format/,
  ],
  [
    'a bad filter',
    { path: '/v1.41/containers/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D' },
    400,
    /[Ii]nvalid filter/,
  ],
  ['a filter that is no JSON', { path: '/v1.41/containers/json?filters=x' }, 400, /./],
  [
    'a start of nothing',
    { method: 'POST', path: '/v1.41/containers/nosuch/start' },
    404,
    /No such container/,
  ],
  [
    'a bad signal',
    { method: 'POST', path: '/v1.41/containers/box/kill?signal=NOPE' },
    400,
    /[Ii]nvalid signal: NOPE/,
  ],
  [
    'logs without a stream',
    { path: '/v1.41/containers/box/logs' },
    400,
    /you must choose at least one stream/,
  ],
  [
    'a removal of what runs',
    { method: 'DELETE', path: '/v1.41/containers/box' },
    409,
    /You cannot remove a running container|container is running: stop the container before removing or force remove/,
  ],
  [
    'an exec that is not there',
    { method: 'POST', path: '/v1.41/exec/nosuch/start', body: {} },
    404,
    /No such exec instance: nosuch/,
  ],
  [
    'an exec without a command',
    { method: 'POST', path: '/v1.41/containers/box/exec', body: {} },
    400,
    /No exec command specified/,
  ],
  ['an unknown network', { path: '/v1.41/networks/nosuch' }, 404, /network nosuch not found/],
  ['an unknown volume', { path: '/v1.41/volumes/nosuch' }, 404, /nosuch: no such volume/],
  [
    'a wait for the impossible',
    { method: 'POST', path: '/v1.41/containers/box/wait?condition=never' },
    400,
    /invalid condition: "never"/,
  ],
  [
    'an archive of nothing',
    { path: '/v1.41/containers/box/archive?path=/no/such' },
    404,
    /Could not find the file \/no\/such in container/,
  ],
];

/** Where docker 20.10 still answered 200, 500 or not at all. */
const LATER_THAN_20_10 = new Set([
  'an API version of old',
  'JSON that is none',
  'a body of the wrong kind',
  'a bad reference',
  'a filter that is no JSON',
  'a wait for the impossible',
]);

test('every refusal has dockers status and words', async (context) => {
  await engine.mustDocker('run', '-d', '--name', 'box', 'busybox', 'sleep', '6000');
  for (const [what, request, status, message] of CASES) {
    await context.test(what, { skip: onDockerd && LATER_THAN_20_10.has(what) }, async () => {
      const answer = await engine.api(request);
      assert.equal(answer.status, status, answer.text);
      assert.match(messageOf(answer.json), message);
    });
  }
  await context.test('what is already so is 304, without a body', async () => {
    const started = await engine.api({ method: 'POST', path: '/v1.41/containers/box/start' });
    assert.deepEqual([started.status, started.text], [304, '']);
  });
  await engine.mustDocker('rm', '-f', 'box');
  await context.test('a name that is taken is 409', async () => {
    await engine.mustDocker('create', '--name', 'taken', 'busybox');
    const answer = await engine.api({
      method: 'POST',
      path: '/v1.41/containers/create?name=taken',
      body: { Image: 'busybox' },
    });
    assert.equal(answer.status, 409);
    assert.match(
      messageOf(answer.json),
      /^Conflict\. The container name "\/taken" is already in use by container "?[0-9a-f]{64}"?\. You have to remove \(or rename\) that container to be able to reuse that name\.$/,
    );
    await engine.mustDocker('rm', 'taken');
  });
});

test('a request that is no HTTP ends that connection alone', async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(engine.socketPath, () => socket.write('this is no HTTP\r\n\r\n'));
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
  });
  assert.equal((await engine.api({ path: '/_ping' })).text, 'OK');
});

test('a client that goes away in the middle of a body leaves nothing', async () => {
  await new Promise<void>((resolve) => {
    const socket = connect(engine.socketPath, () => {
      socket.write(
        'POST /v1.41/images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n',
      );
      socket.write('x'.repeat(0x200));
      setTimeout(() => socket.destroy(), 200);
    });
    socket.on('close', () => resolve());
  });
  assert.equal(await engine.mustDocker('images', '-q', '--filter', 'dangling=true'), '');
});
