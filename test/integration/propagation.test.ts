import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from './harness/command.ts';
import { hostMounts } from './harness/leaks.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const mustDocker = engine.mustDocker.bind(engine);
const host = (...argv: readonly string[]) => execFileSync(argv[0] as string, argv.slice(1));

const folder = join(engine.root, 'tree');

/** Makes the folder a shared mount, as `/` is where systemd is at work. */
function shareFolder(): Disposable {
  for (const name of ['from-host', 'from-container']) mkdirSync(join(folder, name), { recursive: true });
  host('mount', '--bind', folder, folder);
  host('mount', '--make-shared', folder);
  return { [Symbol.dispose]: () => void host('umount', '--recursive', folder) };
}

/** Mounts in a container and on the host, below one bind; which of the two the other side saw. */
async function tryBoth(propagation: string, ...flags: readonly string[]) {
  await mustDocker(
    ...[
      'run',
      '-d',
      '--init',
      '--name',
      'mounter',
      '--cap-add',
      'SYS_ADMIN',
      '-v',
      `${folder}:/tree:${propagation}`,
    ],
    ...[...flags, 'busybox', 'sh', '-c'],
    'mount -t tmpfs none /tree/from-container && touch /tree/from-container/file && touch /mounted && sleep 300',
  );
  await eventually('it mounts', () =>
    engine.docker('exec', 'mounter', 'ls', '/mounted').then(({ code }) => code === 0),
  );
  host('mount', '-t', 'tmpfs', 'none', join(folder, 'from-host'));
  writeFileSync(join(folder, 'from-host/file'), '');
  const seen = {
    onHost: existsSync(join(folder, 'from-container/file')),
    inContainer: (await engine.docker('exec', 'mounter', 'ls', '/tree/from-host/file')).code === 0,
  };
  host('umount', join(folder, 'from-host'));
  if (seen.onHost) {
    await mustDocker('exec', 'mounter', 'umount', '/tree/from-container');
    assert.equal(existsSync(join(folder, 'from-container/file')), false);
  }
  assert.equal((await engine.inspect('mounter')).Mounts[0].Propagation, propagation);
  await mustDocker('rm', '-f', 'mounter');
  return seen;
}

for (const runtime of ['crun', 'runc']) {
  const skip = onDockerd && runtime === 'crun';
  test(`with ${runtime}, mounts pass as a bind's propagation says`, { skip }, async () => {
    using _folder = shareFolder();
    const mounts = hostMounts(engine).others;
    const flags = ['--runtime', runtime];
    assert.deepEqual(await tryBoth('rshared', ...flags), { onHost: true, inContainer: true });
    assert.deepEqual(await tryBoth('shared', ...flags), { onHost: true, inContainer: true });
    assert.deepEqual(await tryBoth('rslave', ...flags), { onHost: false, inContainer: true });
    assert.deepEqual(await tryBoth('rprivate', ...flags), { onHost: false, inContainer: false });
    assert.deepEqual(hostMounts(engine).others, mounts);
  });
}

test('a file, two binds of which one lies in the other, and the folder that the engine itself works in', async () => {
  using _folder = shareFolder();
  writeFileSync(join(folder, 'file'), 'shared');
  await engine.stop();
  host('mount', '--rbind', engine.root, engine.root);
  host('mount', '--make-shared', engine.root);
  await engine.start();
  try {
    const mounts = hostMounts(engine).others;
    const seen = await mustDocker(
      ...['run', '--rm', '--cap-add', 'SYS_ADMIN', '-v', `${engine.root}:/all:rshared`],
      ...['-v', `${join(folder, 'from-host')}:/inner:rshared`, '-v', `${join(folder, 'file')}:/file:rshared`],
      ...['busybox', 'sh', '-c'],
      'cat /file && mount -t tmpfs none /inner && touch /inner/mounted && ls /all/tree/from-host && umount /inner',
    );
    assert.equal(seen, 'sharedmounted');
    assert.deepEqual(hostMounts(engine).others, mounts);
  } finally {
    await engine.stop();
    host('umount', '--lazy', engine.root);
    await engine.start();
  }
});

test('what the host keeps private is not shared, and the error says where', async () => {
  const separate = join(engine.root, 'separate');
  mkdirSync(separate);
  host('mount', '--bind', separate, separate);
  host('mount', '--make-private', separate);
  try {
    const tryOne = (propagation: string) =>
      engine.docker('run', '--rm', '-v', `${separate}:/x:${propagation}`, 'busybox', 'true');
    const shared = await tryOne('rshared');
    assert.equal(shared.code, 125);
    assert.match(
      shared.stderr,
      new RegExp(`path ${separate} is mounted on ${separate} but it is not a shared mount`),
    );
    assert.match((await tryOne('rslave')).stderr, /but it is not a shared or slave mount/);
    assert.equal((await tryOne('rprivate')).code, 0);
  } finally {
    host('umount', separate);
  }
});
