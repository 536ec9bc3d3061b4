import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engine } from './harness/engine.ts';
import { busyboxArchive } from './harness/images.ts';
import { useEngine } from './harness/suite.ts';

const engine = await useEngine();

/** What the snapshots' folders hold; overlayfs's own `work` says nothing of a layer's form. */
const snapshotFiles = (dataRoot: string): string[] =>
  readdirSync(join(dataRoot, 'snapshots'))
    .flatMap((id) => readdirSync(join(dataRoot, 'snapshots', id)))
    .filter((name) => name !== 'work');

const mountsBelow = (root: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${root}/`) && !path.includes('/netns'));

test('a container reads on from its image while its daemon is dead, and nobody sees the layers’ mounts', async () => {
  await engine.mustDocker('run', '-d', '--name', 'reader', 'busybox', 'sleep', '300');
  assert.deepEqual(mountsBelow(engine.root), []);
  const pid = await engine.mustDocker('inspect', '-f', '{{.State.Pid}}', 'reader');
  await engine.kill();
  const passwd = readFileSync(`/proc/${pid}/root/etc/passwd`, 'utf8');
  assert.match(passwd, /^root:x:0:0/);
  await engine.start();
  assert.equal(`${await engine.mustDocker('exec', 'reader', 'cat', '/etc/passwd')}\n`, passwd);
  await engine.mustDocker('restart', '-t', '0', 'reader');
  assert.equal(`${await engine.mustDocker('exec', 'reader', 'cat', '/etc/passwd')}\n`, passwd);
  await engine.mustDocker('rm', '-f', 'reader');
});

test('an image that is loaded keeps one copy of its bytes: its layer is the blob under a second name', async () => {
  assert.deepEqual(snapshotFiles(engine.dataRoot).sort(), ['fs', 'layer.erofs', 'layer.tar']);
  assert.match(await engine.mustDocker('info', '-f', '{{.DriverStatus}}'), /\[Layer Form image\]/);
});

test('a data root may hold layers of both forms, which stand on each other', async () => {
  const dataRoot = mkdtempSync(join(tmpdir(), 'slt-forms-'));
  const build = (daemon: Engine, from: string, name: string) =>
    daemon.dockerWith(
      {
        input: `FROM ${from}\nRUN echo ${name} > /${name} && rm -f /etc/group\nRUN mkdir -p /home/${name}\n`,
      },
      ...['build', '-q', '-t', name, '-'],
    );
  const check = async (daemon: Engine, image: string, files: readonly string[]) => {
    const shown = await daemon.mustDocker(
      'run',
      '--rm',
      image,
      'sh',
      '-c',
      `cat ${files.join(' ')}; ls /home /etc`,
    );
    for (const file of files) assert.ok(shown.includes(file.slice(1)), shown);
    assert.equal(shown.split('\n').includes('group'), files.length === 0, shown);
  };
  try {
    {
      await using files = await Engine.start({ dataRoot, flags: ['--layer-form', 'files'] });
      await files.mustDocker('load', '-i', await busyboxArchive());
      assert.deepEqual(snapshotFiles(dataRoot), ['fs']);
      assert.equal((await build(files, 'busybox', 'first')).code, 0);
      await check(files, 'first', ['/first']);
      await files.mustDocker('save', '-o', join(dataRoot, 'first.tar'), 'first');
      await files.mustDocker('rmi', 'first');
      await files.mustDocker('builder', 'prune', '-af');
      await files.stop();
    }
    {
      await using images = await Engine.start({ dataRoot });
      await check(images, 'busybox', []);
      await images.mustDocker('load', '-i', join(dataRoot, 'first.tar'));
      assert.ok(snapshotFiles(dataRoot).includes('layer.erofs'));
      await check(images, 'first', ['/first']);
      assert.equal((await build(images, 'first', 'second')).code, 0);
      await images.stop();
    }
    await using files = await Engine.start({ dataRoot, flags: ['--layer-form', 'files'] });
    await check(files, 'second', ['/first', '/second']);
    const removed = await files.docker('rmi', '-f', 'second', 'first', 'busybox');
    assert.equal(removed.code, 0, removed.stderr);
    await files.mustDocker('builder', 'prune', '-af');
    assert.deepEqual(snapshotFiles(dataRoot), []);
    await files.stop();
  } finally {
    rmSync(dataRoot, { recursive: true, force: true });
  }
});
