import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engine } from './harness/engine.ts';
import { busyboxArchive } from './harness/images.ts';
import { without } from './harness/peers.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const { docker, mustDocker } = {
  docker: engine.docker.bind(engine),
  mustDocker: engine.mustDocker.bind(engine),
};
const at = (name: string) => join(engine.root, name);

test('images, inspect and history tell what was loaded', async () => {
  const line = await mustDocker('images', '--no-trunc', '--format', '{{.Repository}} {{.Tag}} {{.ID}}');
  const id = /^busybox latest (sha256:[0-9a-f]{64})$/.exec(line)?.[1] ?? assert.fail(line);
  const inspected = await engine.inspect('busybox', 'image');
  assert.equal(inspected.Id, id);
  assert.deepEqual(inspected.RepoTags, ['busybox:latest']);
  assert.deepEqual([inspected.Os, inspected.Config.Cmd[0]], ['linux', 'sh']);
  assert.match(inspected.RootFS.Layers[0], /^sha256:[0-9a-f]{64}$/);
  assert.match(await mustDocker('history', '--format', '{{.CreatedBy}}', 'busybox'), /slipway test/);
  assert.equal((await engine.inspect(id.slice(7, 15), 'image')).Id, id);
});

test('tag, list filters, and removal tag by tag', async () => {
  await mustDocker('tag', 'busybox', 'registry.example.org:5000/team/app:1.2');
  await mustDocker('tag', 'busybox', 'app:other');
  const refs = async (...filters: readonly string[]) =>
    (
      await mustDocker(
        'images',
        '--format',
        '{{.Repository}}:{{.Tag}}',
        ...filters.flatMap((filter) => ['--filter', filter]),
      )
    )
      .split('\n')
      .filter(Boolean)
      .sort();
  assert.deepEqual(await refs(), ['app:other', 'busybox:latest', 'registry.example.org:5000/team/app:1.2']);
  assert.deepEqual(await refs('reference=app'), ['app:other']);
  assert.deepEqual(await refs('reference=*/team/*'), ['registry.example.org:5000/team/app:1.2']);
  assert.deepEqual(await refs('dangling=true'), []);
  assert.deepEqual((await mustDocker('images', '-q', 'app')).split('\n').length, 1);
  assert.equal(await mustDocker('rmi', 'app:other'), 'Untagged: app:other');
  assert.match(
    (await docker('rmi', (await engine.inspect('busybox', 'image')).Id)).stderr,
    /conflict: unable to delete \w+ \(must be forced\) - image is referenced in multiple repositories/,
  );
  await mustDocker('rmi', 'registry.example.org:5000/team/app:1.2');
});

test('an image in use is not removed', async () => {
  await mustDocker('run', '-d', '--name', 'user', 'busybox', 'sleep', '600');
  const refused = await docker('rmi', 'busybox');
  assert.match(
    refused.stderr,
    /conflict: unable to remove repository reference "busybox" \(must force\) - container \w+ is using its referenced image \w+/,
  );
  await mustDocker('rm', '-f', 'user');
});

test('export, import, and an image of ones own making', async () => {
  await mustDocker('run', '--name', 'source', 'busybox', 'sh', '-c', 'echo mine > /file');
  await mustDocker('export', '-o', at('rootfs.tar'), 'source');
  await mustDocker('rm', 'source');
  const id = await mustDocker(
    'import',
    '-c',
    'CMD ["cat","/file"]',
    '-c',
    'LABEL a=b',
    '-m',
    'note',
    at('rootfs.tar'),
    'mine:1',
  );
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.equal(await mustDocker('run', '--rm', 'mine:1'), 'mine');
  assert.equal((await engine.inspect('mine:1', 'image')).Config.Labels.a, 'b');
  const compressed = await engine.run(['sh', '-c', `gzip -c ${at('rootfs.tar')} | docker import - mine:2`]);
  assert.equal(compressed.code, 0, compressed.stderr);
  await mustDocker('save', '-o', at('both.tar'), 'mine:1', 'busybox');
  await mustDocker('rmi', 'mine:1', 'mine:2');
  assert.match(await mustDocker('load', '-i', at('both.tar')), /Loaded image: mine:1/);
  assert.equal(await mustDocker('run', '--rm', 'mine:1'), 'mine');
  await mustDocker('rmi', 'mine:1');
});

test('save and load keep the id, through a pipe and compressed too', async () => {
  const before = (await engine.inspect('busybox', 'image')).Id;
  const script = 'docker save busybox | gzip -1 > "$1" && docker rmi -f busybox && docker load < "$1"';
  const result = await engine.run(['sh', '-ec', script, 'sh', at('saved.tar.gz')]);
  assert.equal(result.code, 0, result.stderr);
  assert.equal((await engine.inspect('busybox', 'image')).Id, before);
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'again'), 'again');
});

test('a saved image is the same bytes each time', { skip: onDockerd }, async () => {
  await mustDocker('save', '-o', at('one.tar'), 'busybox');
  await mustDocker('save', '-o', at('two.tar'), 'busybox');
  assert.equal((await engine.run(['cmp', at('one.tar'), at('two.tar')])).code, 0);
});

test('dockerd loads what Slipway saved, and Slipway what dockerd saved', {
  skip: onDockerd || without('dockerd'),
}, async () => {
  await using dockerd = await Engine.start({ kind: 'dockerd', isolated: true });
  await mustDocker('tag', 'busybox', 'travels:1');
  await mustDocker('save', '-o', at('to-dockerd.tar'), 'travels:1');
  const id = (await engine.inspect('travels:1', 'image')).Id;
  assert.match(await dockerd.mustDocker('load', '-i', at('to-dockerd.tar')), /Loaded image: travels:1/);
  assert.equal((await dockerd.inspect('travels:1', 'image')).Id, id);
  assert.equal(
    await dockerd.mustDocker('run', '--rm', '--network', 'none', 'travels:1', 'echo', 'there'),
    'there',
  );
  await dockerd.mustDocker(
    'run',
    '--name',
    'changed',
    '--network',
    'none',
    'travels:1',
    'sh',
    '-c',
    'rm /bin/vi; echo layer > /added',
  );
  await dockerd.mustDocker('commit', 'changed', 'returns:1');
  await dockerd.mustDocker('save', '-o', at('from-dockerd.tar'), 'returns:1');
  assert.match(await mustDocker('load', '-i', at('from-dockerd.tar')), /Loaded image: returns:1/);
  assert.equal(
    await mustDocker(
      'run',
      '--rm',
      'returns:1',
      'sh',
      '-c',
      'cat /added; ls /bin/vi 2>&1 | grep -c "No such"',
    ),
    'layer\n1',
  );
  await mustDocker('rmi', 'returns:1', 'travels:1');
});

test('skopeo reads a saved image, and its OCI layout is loaded', {
  skip: onDockerd || without('skopeo'),
}, async () => {
  await mustDocker('save', '-o', at('for-skopeo.tar'), 'busybox');
  const inspected = await engine.run(['skopeo', 'inspect', `docker-archive:${at('for-skopeo.tar')}`]);
  assert.equal(inspected.code, 0, inspected.stderr);
  const copied = await engine.run([
    'skopeo',
    '--insecure-policy',
    'copy',
    `docker-archive:${await busyboxArchive()}`,
    `oci-archive:${at('oci.tar')}:fromoci:1`,
  ]);
  assert.equal(copied.code, 0, copied.stderr);
  assert.match(await mustDocker('load', '-i', at('oci.tar')), /Loaded image/);
});

test('prune takes what has no name', async () => {
  await mustDocker('run', '--name', 'unnamed', 'busybox', 'sh', '-c', 'echo only > /here');
  const import1 = await engine.run(['sh', '-c', 'docker export unnamed | docker import -']);
  await mustDocker('rm', 'unnamed');
  assert.match(import1.text, /^sha256:/);
  assert.equal(await mustDocker('images', '-qf', 'dangling=true', '--no-trunc'), import1.text);
  assert.match(await mustDocker('image', 'prune', '-f'), /deleted: sha256:[\s\S]*Total reclaimed space/i);
  assert.equal(await mustDocker('images', '-qf', 'dangling=true'), '');
});

test('removing an image gives the space back', { skip: onDockerd }, async () => {
  const size = async () =>
    Number((await engine.run(['du', '-s', '--apparent-size', engine.dataRoot])).text.split('\t')[0]);
  const before = await size();
  await mustDocker('run', '--name', 'big', 'busybox', 'sh', '-c', 'head -c 20000000 /dev/urandom > /big');
  assert.equal((await engine.run(['sh', '-c', 'docker export big | docker import - big:1'])).code, 0);
  await mustDocker('rm', 'big');
  assert.ok((await size()) > before + 19_000);
  await mustDocker('rmi', 'big:1');
  assert.ok((await size()) < before + 1_000, `${before} KB before, ${await size()} KB after`);
});

test('unknown images and bad references, in dockers words', async () => {
  assert.match((await docker('rmi', 'nosuch:1')).stderr, /No such image: nosuch:1/);
  assert.match((await docker('image', 'inspect', 'nosuch')).stderr, /No such image: nosuch/);
  assert.match((await docker('tag', 'busybox', 'Upper:1')).stderr, /repository name.* must be lowercase/);
  assert.match(
    (await docker('tag', 'busybox', 'a:b:c')).stderr,
    /not a valid repository\/tag|invalid reference format/,
  );
  assert.match((await docker('tag', 'nosuch', 'x')).stderr, /No such image: nosuch/);
  const run = await docker('run', '--rm', 'nosuch:1');
  assert.equal(run.code, 125);
});

test('an archive that is none is refused, and nothing is left', { skip: onDockerd }, async () => {
  const before = statSync(join(engine.dataRoot, 'content/blobs/sha256')).nlink;
  const refused = await engine.dockerWith({ input: 'this is no tar archive at all\n'.repeat(100) }, 'load');
  assert.notEqual(refused.code, 0);
  assert.equal(statSync(join(engine.dataRoot, 'content/blobs/sha256')).nlink, before);
});

test('bootstrap makes busybox without a registry', { skip: onDockerd }, async () => {
  const result = await engine.slipway('image', 'bootstrap', 'busybox', '--tag', 'fresh:1');
  assert.equal(result.code, 0, result.stderr);
  assert.equal(
    await mustDocker('run', '--rm', 'fresh:1', 'sh', '-c', 'echo fresh; test -x /bin/ls && echo ls'),
    'fresh\nls',
  );
  const unknown = await engine.slipway('image', 'bootstrap', 'nosuchdistribution');
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /busybox/);
  await mustDocker('rmi', 'fresh:1');
});
