import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};
const host = join(engine.root, 'cp');

before(async () => {
  mkdirSync(join(host, 'tree/deep'), { recursive: true });
  writeFileSync(join(host, 'tree/a'), 'file a\n', { mode: 0o640 });
  writeFileSync(join(host, 'tree/deep/b'), 'file b\n');
  utimesSync(join(host, 'tree/a'), 1_000_000_000, 1_000_000_000);
  symlinkSync('a', join(host, 'tree/link'));
  await mustDocker(
    'run',
    '-d',
    '--name',
    'box',
    '-v',
    '/volume',
    '--tmpfs',
    '/memory',
    'busybox',
    'sleep',
    '6000',
  );
  await mustDocker('create', '--name', 'off', '-v', '/volume', 'busybox');
});

for (const name of ['box', 'off']) {
  test(`a tree goes in and comes back whole (${name === 'box' ? 'running' : 'not running'})`, async () => {
    await mustDocker('cp', join(host, 'tree'), `${name}:/srv`);
    await mustDocker('cp', `${name}:/srv`, join(host, `back-${name}`));
    const back = join(host, `back-${name}`);
    assert.equal(readFileSync(join(back, 'a'), 'utf8'), 'file a\n');
    assert.equal(readFileSync(join(back, 'deep/b'), 'utf8'), 'file b\n');
    assert.equal(readlinkSync(join(back, 'link')), 'a');
    assert.equal(statSync(join(back, 'a')).mode & 0o7777, 0o640);
    assert.equal(statSync(join(back, 'a')).mtimeMs, 1_000_000_000_000);
  });
}

test('into an existing folder, onto a file, and /. for the content', async () => {
  await mustDocker('cp', join(host, 'tree'), 'box:/tmp');
  assert.equal(await mustDocker('exec', 'box', 'cat', '/tmp/tree/a'), 'file a');
  await mustDocker('cp', join(host, 'tree/a'), 'box:/tmp/renamed');
  assert.equal(await mustDocker('exec', 'box', 'cat', '/tmp/renamed'), 'file a');
  await mustDocker('exec', 'box', 'mkdir', '/tmp/content');
  await mustDocker('cp', `${join(host, 'tree')}/.`, 'box:/tmp/content');
  assert.equal(await mustDocker('exec', 'box', 'cat', '/tmp/content/deep/b'), 'file b');
  const refused = await docker('cp', join(host, 'tree'), 'box:/etc/passwd');
  assert.notEqual(refused.code, 0);
});

test('as a tar stream, both ways', async () => {
  const tar = await engine.run(['sh', '-c', `docker cp box:/etc/passwd - | tar -xO passwd | head -1`]);
  assert.match(tar.text, /^root:x:0:0/);
  const archive = await engine.run([
    'sh',
    '-c',
    `tar -C ${host}/tree -cf - a | docker cp - box:/tmp && docker exec box cat /tmp/a`,
  ]);
  assert.equal(archive.text, 'file a');
});

test('volumes and memory of a running container are seen', async () => {
  await mustDocker('cp', join(host, 'tree/a'), 'box:/volume/a');
  assert.equal(await mustDocker('exec', 'box', 'cat', '/volume/a'), 'file a');
  await mustDocker('exec', 'box', 'sh', '-c', 'echo volatile > /volume/m');
  await mustDocker('cp', 'box:/volume/m', join(host, 'm'));
  assert.equal(readFileSync(join(host, 'm'), 'utf8'), 'volatile\n');
  await mustDocker('cp', join(host, 'tree/a'), 'off:/volume/a');
  assert.equal(
    await mustDocker('run', '--rm', '--volumes-from', 'off', 'busybox', 'cat', '/volume/a'),
    'file a',
  );
});

test('a link in the container cannot lead out of it', async () => {
  await mustDocker(
    'exec',
    'box',
    'sh',
    '-c',
    'ln -s /etc/hostname /tmp/inside; ln -s ../../../../../../etc /tmp/up; mkdir -p /etc; echo own > /etc/slipway-own',
  );
  await mustDocker('cp', '-L', 'box:/tmp/inside', join(host, 'followed'));
  assert.match(readFileSync(join(host, 'followed'), 'utf8'), /^[0-9a-f]{12}\n$/);
  await mustDocker('cp', 'box:/tmp/up/slipway-own', join(host, 'own'));
  assert.equal(readFileSync(join(host, 'own'), 'utf8'), 'own\n');
  await mustDocker('cp', 'box:/tmp/inside', join(host, 'kept'));
  assert.ok(lstatSync(join(host, 'kept')).isSymbolicLink());
});

test('what is not there, and what may not be written, is said so', async () => {
  const absent = await docker('cp', 'box:/no/such', host);
  assert.match(absent.stderr, /Could not find the file \/no\/such in container box/);
  assert.match((await docker('cp', 'nosuch:/x', host)).stderr, /No such container: nosuch/);
  await mustDocker('create', '--name', 'frozen', '--read-only', 'busybox');
  assert.match(
    (await docker('cp', join(host, 'tree/a'), 'frozen:/a')).stderr,
    /container rootfs is marked read-only/,
  );
  await mustDocker('rm', 'frozen');
});

test('export is the containers files, and diff what it changed', async () => {
  await mustDocker(
    'run',
    '--name',
    'changed',
    'busybox',
    'sh',
    '-c',
    'echo x > /tmp/new; rm /bin/vi; echo y >> /etc/passwd',
  );
  const diff = (await mustDocker('diff', 'changed')).split('\n').sort();
  for (const line of ['A /tmp/new', 'C /etc', 'C /etc/passwd', 'D /bin/vi'])
    assert.ok(diff.includes(line), `${line} in ${diff}`);
  const names = await engine.run(['sh', '-c', 'docker export changed | tar -t']);
  assert.match(names.stdout, /^tmp\/new$/m);
  assert.doesNotMatch(names.stdout, /^bin\/vi$/m);
  await mustDocker('rm', 'changed');
});
