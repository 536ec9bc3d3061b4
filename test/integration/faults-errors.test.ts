import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { mustDocker } = { mustDocker: engine.mustDocker.bind(engine) };

interface Refusal {
  readonly request: string;
  readonly body?: unknown;
  readonly status: number;
  readonly message: RegExp;
  readonly headers?: Readonly<Record<string, string>>;
}

const create = (body: unknown, status: number, message: RegExp, query = ''): Refusal => ({
  request: `POST /containers/create${query}`,
  body,
  status,
  message,
});
const busybox = (hostConfig: unknown = {}) => ({ Image: 'busybox', Cmd: ['true'], HostConfig: hostConfig });

/** What docker answers, word for word where clients read it. */
const REFUSALS: readonly Refusal[] = [
  create({ Image: 'nosuch' }, 404, /^No such image: nosuch:latest$/),
  create({ Image: 'nosuch:1.0' }, 404, /^No such image: nosuch:1\.0$/),
  create({ Image: 'Upper/Case' }, 400, /invalid reference format.*repository name.*must be lowercase/),
  create({ Image: 'a b' }, 400, /invalid reference format/),
  create(
    busybox(),
    400,
    /^Invalid container name \(not\/valid\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed$/,
    '?name=not/valid',
  ),
  create(
    busybox({ Binds: ['relative/x:y'] }),
    400,
    /invalid volume specification|mount path must be absolute|invalid mount path|invalid characters/,
  ),
  create(busybox({ Memory: 1000 }), 400, /Minimum memory limit allowed is \d+MB/i),
  create(
    busybox({ NetworkMode: 'host', PortBindings: {}, RestartPolicy: { Name: 'sometimes' } }),
    400,
    /invalid restart policy/,
  ),
  create(
    busybox({ AutoRemove: true, RestartPolicy: { Name: 'always' } }),
    400,
    /can't create 'AutoRemove' container with restart policy|AutoRemove.*restart/i,
  ),
  create(
    busybox({ Mounts: [{ Type: 'bind', Source: '/no/such/folder', Target: '/x' }] }),
    400,
    /^invalid mount config for type "bind": bind source path does not exist: \/no\/such\/folder$/,
  ),
  {
    request: 'POST /containers/create',
    body: '{"Image": ',
    status: 400,
    message: /unexpected EOF|JSON|invalid/i,
  },
  { request: 'POST /containers/create', body: 'no json', status: 400, message: /invalid character|JSON/i },
  { request: 'POST /containers/create', body: '[]', status: 400, message: /./ },
  { request: 'GET /containers/nosuch/json', status: 404, message: /^No such container: nosuch$/ },
  { request: 'POST /containers/nosuch/start', status: 404, message: /^No such container: nosuch$/ },
  { request: 'POST /containers/nosuch/stop', status: 404, message: /^No such container: nosuch$/ },
  { request: 'POST /containers/nosuch/kill', status: 404, message: /No such container: nosuch$/ },
  { request: 'DELETE /containers/nosuch', status: 404, message: /^No such container: nosuch$/ },
  { request: 'GET /containers/nosuch/logs?stdout=1', status: 404, message: /^No such container: nosuch$/ },
  { request: 'POST /containers/nosuch/wait', status: 404, message: /^No such container: nosuch$/ },
  {
    request: 'POST /containers/nosuch/exec',
    body: { Cmd: ['x'] },
    status: 404,
    message: /^No such container: nosuch$/,
  },
  { request: 'POST /exec/nosuch/start', body: {}, status: 404, message: /^No such exec instance: nosuch$/ },
  { request: 'GET /exec/nosuch/json', status: 404, message: /No such exec instance: nosuch$/ },
  { request: 'GET /images/nosuch/json', status: 404, message: /^No such image: nosuch:latest$/ },
  { request: 'DELETE /images/nosuch', status: 404, message: /^No such image: nosuch:latest$/ },
  { request: 'POST /images/nosuch/tag?repo=x&tag=y', status: 404, message: /^No such image: nosuch:latest$/ },
  { request: 'POST /images/busybox/tag?repo=Bad%20Name', status: 400, message: /invalid reference format/ },
  { request: 'GET /volumes/nosuch', status: 404, message: /^get nosuch: no such volume$/ },
  { request: 'DELETE /volumes/nosuch', status: 404, message: /^get nosuch: no such volume$/ },
  {
    request: 'POST /volumes/create',
    body: { Name: 'a/b' },
    status: 400,
    message: /includes invalid characters for a local volume name/,
  },
  { request: 'GET /networks/nosuch', status: 404, message: /^network nosuch not found$/ },
  { request: 'DELETE /networks/nosuch', status: 404, message: /^network nosuch not found$/ },
  {
    request: 'DELETE /networks/bridge',
    status: 403,
    message: /^bridge is a pre-defined network and cannot be removed$/,
  },
  {
    request: 'POST /networks/create',
    body: { Name: 'n', Driver: 'nosuch' },
    status: 404,
    message: /plugin .*not found/,
  },
  { request: 'GET /containers/json?filters=nonsense', status: 400, message: /invalid/i },
  { request: 'GET /containers/json?filters={"nosuch":["x"]}', status: 400, message: /[Ii]nvalid filter/ },
  { request: 'GET /containers/json?limit=many', status: 400, message: /./ },
  { request: 'GET /nosuch', status: 404, message: /^page not found$/ },
  { request: 'PUT /containers/json', status: onDockerd ? 405 : 404, message: /./ },
];

for (const { request, body, status, message } of REFUSALS) {
  test(`${request} ${body === undefined ? '' : JSON.stringify(body).slice(0, 100)} answers ${status}`, async () => {
    const [method = '', path = ''] = request.split(' ');
    const answer = await engine.api({ method, path: `/v1.41${encodeURI(path)}`, body });
    const text = (answer.json as { message?: string } | undefined)?.message ?? answer.text;
    assert.equal(answer.status, status, text);
    assert.match(text, message);
    assert.match(String(answer.headers['content-type']), /^application\/json/);
  });
}

test('an API version that is too new or too old is refused in the words that clients negotiate by', async () => {
  const tooNew = await engine.api({ path: '/v9.99/containers/json' });
  assert.equal(tooNew.status, 400);
  assert.match(tooNew.text, /client version 9\.99 is too new\. Maximum supported API version is 1\.\d+/);
  const tooOld = await engine.api({ path: '/v1.11/containers/json' });
  assert.equal(tooOld.status, 400);
  assert.match(
    tooOld.text,
    /client version 1\.11 is too old\. Minimum supported API version is 1\.\d+, please upgrade your client to a newer version/,
  );
});

test('a name in use is a conflict that names the holder', async () => {
  const id = await mustDocker('create', '--name', 'taken', 'busybox', 'true');
  const again = await engine.docker('create', '--name', 'taken', 'busybox', 'true');
  assert.equal(again.code, 1);
  assert.equal(
    again.stderr.trim().split('\n')[0],
    `Error response from daemon: Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
  assert.equal(
    (await engine.api({ method: 'POST', path: '/containers/create?name=taken', body: busybox() })).status,
    409,
  );
  await mustDocker('rm', 'taken');
});

test('states that do not allow a verb are refused with their status', async () => {
  await mustDocker('create', '--name', 'idle', 'busybox', 'true');
  const status = async (method: string, path: string) => (await engine.api({ method, path })).status;
  assert.equal(await status('POST', '/containers/idle/kill'), 409);
  assert.equal(await status('POST', '/containers/idle/pause'), 409);
  assert.equal(await status('POST', '/containers/idle/stop'), 304);
  assert.equal(
    (await engine.api({ method: 'POST', path: '/containers/idle/exec', body: { Cmd: ['x'] } })).status,
    409,
  );
  await mustDocker('run', '-d', '--init', '--name', 'runs', 'busybox', 'sleep', '300');
  assert.equal(await status('POST', '/containers/runs/start'), 304);
  assert.equal(await status('DELETE', '/containers/runs'), 409);
  assert.equal(await status('DELETE', '/images/busybox'), 409);
  await mustDocker('rm', '-f', 'idle', 'runs');
});

test('a volume and a network in use are conflicts', async () => {
  await mustDocker('create', '--name', 'user', '-v', 'used:/x', 'busybox', 'true');
  const volume = await engine.api({ method: 'DELETE', path: '/volumes/used' });
  assert.equal(volume.status, 409);
  assert.match(volume.text, /remove used: volume is in use - \[[0-9a-f]{64}\]/);
  await mustDocker('rm', 'user');
  await mustDocker('volume', 'rm', 'used');
});

test('a port in use, by a container or a program of the host, fails the start with a clear reason', {
  skip: onDockerd,
}, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    const taken = await engine.docker('run', '--rm', '-p', `127.0.0.1:${port}:80`, 'busybox', 'true');
    assert.equal(taken.code, 125);
    assert.match(taken.stderr, new RegExp(`${port}.*address already in use`));
  } finally {
    server.close();
  }
  await mustDocker(
    'run',
    '-d',
    '--init',
    '--name',
    'first',
    '-p',
    `127.0.0.1:${port}:80`,
    'busybox',
    'sleep',
    '300',
  );
  const second = await engine.docker(
    'run',
    '--name',
    'second',
    '-p',
    `127.0.0.1:${port}:80`,
    'busybox',
    'true',
  );
  assert.equal(second.code, 125);
  assert.match(
    second.stderr,
    new RegExp(`Bind for 127\\.0\\.0\\.1:${port} failed: port is already allocated`),
  );
  assert.equal((await engine.inspect('second')).State.Status, 'created');
  await mustDocker('rm', '-f', 'first');
  await mustDocker('start', '-a', 'second');
  await mustDocker('rm', 'second');
});
