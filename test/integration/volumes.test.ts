import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};
const sh = (script: string, ...flags: readonly string[]) =>
  mustDocker('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

test('a named volume keeps its content from container to container', async () => {
  assert.equal(await mustDocker('volume', 'create', 'kept'), 'kept');
  assert.equal(await mustDocker('volume', 'create', 'kept'), 'kept');
  await sh('echo one > /v/file', '-v', 'kept:/v');
  assert.equal(await sh('cat /v/file', '--mount', 'type=volume,source=kept,target=/v'), 'one');
  assert.notEqual((await docker('run', '--rm', '-v', 'kept:/v:ro', 'busybox', 'touch', '/v/x')).code, 0);
  const inspected = await engine.inspect('kept', 'volume');
  assert.deepEqual([inspected.Name, inspected.Driver, inspected.Scope], ['kept', 'local', 'local']);
  assert.ok(existsSync(join(inspected.Mountpoint, 'file')));
  await mustDocker('volume', 'rm', 'kept');
  assert.ok(!existsSync(inspected.Mountpoint));
});

test('run makes a named volume that is not there yet', async () => {
  await sh('true', '-v', 'made-by-run:/v');
  assert.equal(await mustDocker('volume', 'ls', '-q', '--filter', 'name=made-by-run'), 'made-by-run');
  await mustDocker('volume', 'rm', 'made-by-run');
});

test('an empty volume takes what the image has at its place, with owner and mode', async () => {
  assert.equal(
    await sh('cat /var/kept/file; stat -c "%u %g %a" /var/kept', '-v', 'filled:/var/kept'),
    'kept\n1000 1001 750',
  );
  await sh('echo changed > /var/kept/file', '-v', 'filled:/var/kept');
  assert.equal(await sh('cat /var/kept/file', '-v', 'filled:/var/kept'), 'changed');
  assert.equal(
    await sh('ls /var/kept', '--mount', 'type=volume,source=bare,target=/var/kept,volume-nocopy'),
    '',
  );
  await mustDocker('volume', 'rm', 'filled', 'bare');
});

test('anonymous volumes go with rm -v, and stay without', async () => {
  const id = await mustDocker('create', '-v', '/data', 'busybox');
  const name = (await engine.inspect(id)).Mounts[0].Name as string;
  assert.match(name, /^[0-9a-f]{64}$/);
  await mustDocker('rm', id);
  assert.equal(await mustDocker('volume', 'ls', '-q'), name);
  assert.match(
    await mustDocker('volume', 'prune', '-f'),
    new RegExp(`${name}[\\s\\S]*Total reclaimed space`),
  );
  const other = await mustDocker('create', '-v', '/data', 'busybox');
  await mustDocker('rm', '-v', other);
  assert.equal(await mustDocker('volume', 'ls', '-q'), '');
});

test('a volume in use is not removed, and says by whom', async () => {
  const id = await mustDocker('create', '-v', 'used:/v', 'busybox');
  const refused = await docker('volume', 'rm', 'used');
  assert.match(refused.stderr, new RegExp(`remove used: volume is in use - \\[${id}\\]`));
  await mustDocker('rm', id);
  await mustDocker('volume', 'rm', 'used');
});

test('list filters and formats', async () => {
  await mustDocker('volume', 'create', '--label', 'tier=db', 'labelled');
  await mustDocker('volume', 'create', 'plain');
  const id = await mustDocker('create', '-v', 'plain:/v', 'busybox');
  const names = async (filter: string) =>
    (await mustDocker('volume', 'ls', '-q', '--filter', filter)).split('\n').filter(Boolean).sort();
  assert.deepEqual(await names('label=tier'), ['labelled']);
  assert.deepEqual(await names('label=tier=web'), []);
  assert.deepEqual(await names('dangling=true'), ['labelled']);
  assert.deepEqual(await names('dangling=false'), ['plain']);
  assert.deepEqual(await names('driver=local'), ['labelled', 'plain']);
  await mustDocker('rm', id);
  await mustDocker('volume', 'rm', 'labelled', 'plain');
  assert.equal(await mustDocker('volume', 'ls', '-q'), '');
});

test('bad names, unknown volumes and drivers are refused in dockers words', async () => {
  assert.match(
    (await docker('volume', 'create', 'a/b')).stderr,
    /includes invalid characters for a local volume name, only "\[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\]" are allowed/,
  );
  assert.match((await docker('volume', 'inspect', 'nosuch')).stderr, /no such volume|No such volume/);
  assert.match((await docker('volume', 'rm', 'nosuch')).stderr, /no such volume|No such volume/);
  assert.match((await docker('volume', 'create', '-d', 'nosuchdriver', 'xx')).stderr, /nosuchdriver/);
});

test('--volumes-from, nested mounts and a file over a volume', async () => {
  const folder = join(engine.root, 'nested');
  mkdirSync(folder);
  writeFileSync(join(folder, 'file'), 'inner');
  await mustDocker(
    'create',
    '--name',
    'giver',
    '-v',
    'given:/given',
    '-v',
    `${folder}:/given/inner`,
    'busybox',
  );
  assert.equal(await sh('cat /given/inner/file; echo x > /given/y', '--volumes-from', 'giver'), 'inner');
  assert.equal(await sh('cat /given/y', '--volumes-from', 'giver:ro'), 'x');
  await mustDocker('rm', '-v', 'giver');
  await mustDocker('volume', 'rm', 'given');
});

test('a volume with options of its own is mounted as they say', async () => {
  await mustDocker(
    'volume',
    'create',
    '--opt',
    'type=tmpfs',
    '--opt',
    'device=tmpfs',
    '--opt',
    'o=size=2m',
    'memory',
  );
  assert.match(await sh('mount | grep " /v "', '-v', 'memory:/v'), /tmpfs .*size=2048k/);
  await mustDocker('volume', 'rm', 'memory');
});

test('inspect names every mount', async () => {
  const id = await mustDocker(
    'create',
    '-v',
    'shown:/v',
    '-v',
    `${engine.root}:/b:ro`,
    '--tmpfs',
    '/t',
    'busybox',
  );
  const { Mounts } = await engine.inspect(id);
  const byPlace = Object.fromEntries(
    Mounts.map((mount: { Destination: string }) => [mount.Destination, mount]),
  );
  assert.deepEqual([byPlace['/v'].Type, byPlace['/v'].Name, byPlace['/v'].RW], ['volume', 'shown', true]);
  assert.deepEqual(
    [byPlace['/b'].Type, byPlace['/b'].Source, byPlace['/b'].RW],
    ['bind', engine.root, false],
  );
  await mustDocker('rm', id);
  await mustDocker('volume', 'rm', 'shown');
});
