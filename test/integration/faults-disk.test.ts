import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeDisk } from './harness/disk.ts';
import { Engine } from './harness/engine.ts';
import { busyboxArchive, busyboxBytes } from './harness/images.ts';

const SIZE_MIB = 48;

const disk = await makeDisk(SIZE_MIB);
const { fill, free } = disk;
const engine = await Engine.start({ dataRoot: join(disk.folder, 'data') });
after(async () => {
  await engine[Symbol.asyncDispose]();
  await disk.remove();
});
const { mustDocker } = { mustDocker: engine.mustDocker.bind(engine) };
const folderNames = (folder: string) => {
  const path = join(engine.dataRoot, folder);
  return existsSync(path) ? readdirSync(path) : [];
};
const FULL = /no space left on device/i;

test('a load that fills the disk fails with the cause, leaves nothing, and works when there is room', async () => {
  const before = { snapshots: folderNames('snapshots'), blobs: folderNames('content/blobs/sha256') };
  fill(1 << 20);
  const failed = await engine.docker('load', '-i', await busyboxArchive());
  assert.notEqual(failed.code, 0);
  assert.match(failed.stderr + failed.stdout, FULL);
  free();
  assert.deepEqual(folderNames('content/ingest'), []);
  assert.deepEqual(folderNames('content/blobs/sha256'), before.blobs);
  assert.deepEqual(folderNames('snapshots'), before.snapshots);
  await mustDocker('load', '-i', await busyboxArchive());
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'works'), 'works');
});

test('a program that fills the disk gets the error; the daemon and others go on', async () => {
  const result = await engine.docker('run', '--rm', 'busybox', 'dd', 'if=/dev/zero', 'of=/file', 'bs=1M');
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, FULL);
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'works'), 'works');
});

test('with a full disk: what cannot be made says why, what runs goes on, and all works again with room', async () => {
  await mustDocker(
    'run',
    '-d',
    '--init',
    '--name',
    'witness',
    'busybox',
    'sh',
    '-c',
    'i=0; while :; do echo line $i; i=$((i+1)); usleep 5000; done',
  );
  await mustDocker('run', '-d', '--init', '--name', 'other', 'busybox', 'sleep', '300');
  const listedBefore = await mustDocker('ps', '-aq');
  const kept = folderNames('containers');
  fill(0);
  for (const args of [
    ['create', 'busybox', 'true'],
    ['volume', 'create', 'full'],
    ['run', '--rm', 'busybox', 'true'],
    ['load', '-i', await busyboxArchive()],
    ['tag', 'busybox', 'another'],
  ]) {
    const result = await engine.docker(...args);
    // A record may still fit where a folder did not.
    if (result.code !== 0) assert.match(result.stderr, FULL, args.join(' '));
  }
  assert.equal((await engine.docker('ps')).code, 0);
  assert.equal((await engine.docker('inspect', 'witness')).code, 0);
  const inside = await engine.docker('exec', 'witness', 'echo', 'still here');
  if (inside.code !== 0) assert.match(inside.stdout + inside.stderr, FULL);
  const stopped = await engine.docker('stop', '-t', '1', 'other');
  const removed = await engine.docker('rm', '-f', 'other');
  free();
  assert.ok(engine.isRunning, engine.log.slice(-2_000));
  if (removed.code !== 0) {
    assert.match(removed.stderr + stopped.stderr, FULL);
    await mustDocker('rm', '-f', 'other');
  }
  assert.equal((await engine.inspect('witness')).State.Status, 'running');
  await mustDocker('run', '--rm', 'busybox', 'sleep', '0.2');
  const last = async () => Number((await mustDocker('logs', '--tail', '1', 'witness')).replace('line ', ''));
  const first = await last();
  await mustDocker('run', '--rm', 'busybox', 'sleep', '0.3');
  assert.ok((await last()) > first, 'the log has stopped');
  assert.ok(kept.length > 0 && listedBefore !== '');
  await mustDocker('rm', '-f', 'witness');
  await engine.docker('volume', 'rm', 'full');
  await engine.kill();
  await engine.start();
  await mustDocker('ps', '-aq').then(async (ids) => {
    if (ids !== '') await mustDocker('rm', '-f', ...ids.split('\n'));
  });
  assert.deepEqual(
    [folderNames('containers'), folderNames('volumes'), folderNames('content/ingest')],
    [[], [], []],
  );
});

test('a blob that was changed on disk is never handed out as what it was', async () => {
  await engine.stop();
  const folder = join(engine.dataRoot, 'content/blobs/sha256');
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name));
    if (bytes.length < 100_000) continue;
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
    writeFileSync(join(folder, name), bytes);
  }
  await engine.start();
  // The layer was unpacked before: what runs from it is whole.
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'works'), 'works');
  const out = join(disk.folder, 'saved.tar');
  const saved = await engine.docker('save', '-o', out, 'busybox');
  assert.notEqual(saved.code, 0, 'a corrupt layer was saved without a word');
  rmSync(out, { force: true });
  assert.ok(engine.isRunning);
  await mustDocker('rmi', 'busybox');
  await mustDocker('load', '-i', await busyboxArchive());
  await mustDocker('save', '-o', out, 'busybox');
  rmSync(out);
});

test('a truncated archive, one that lies and one that is none are refused, and leave nothing', async () => {
  await mustDocker('rmi', 'busybox');
  const whole = await busyboxBytes();
  const lying = Buffer.from(whole);
  const inLayer = lying.indexOf(Buffer.from('root:x:0:0:root'));
  assert.ok(inLayer > 0);
  lying[inLayer] = 0x58;
  const archives: Record<string, Buffer> = {
    'half of it': whole.subarray(0, whole.length >> 1),
    'a lying digest': lying,
    nothing: Buffer.alloc(0),
    'no archive': Buffer.from('this is no archive'.repeat(200)),
    'noise with a gzip header': Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(5_000, 0xa5)]),
  };
  for (const [what, bytes] of Object.entries(archives)) {
    const answer = await engine.api({ method: 'POST', path: '/images/load', body: bytes });
    assert.ok(
      answer.status >= 400 || /"error"/.test(answer.text),
      `${what}: ${answer.status} ${answer.text}`,
    );
    assert.doesNotMatch(answer.text, /Internal|undefined|TypeError/, what);
    assert.equal(await mustDocker('images', '-aq'), '', what);
    assert.deepEqual(
      [folderNames('content/ingest'), folderNames('content/blobs/sha256'), folderNames('snapshots')],
      [[], [], []],
      what,
    );
  }
});

test('a database that is no database keeps the daemon from starting, with the file in the message', async () => {
  await engine.stop();
  const path = join(engine.dataRoot, 'slipway.db');
  const kept = readFileSync(path);
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
  for (const damage of [
    Buffer.from('not a database, for sure. '.repeat(400)),
    Buffer.concat([kept.subarray(0, 100), Buffer.alloc(kept.length - 100, 0xa5)]),
  ]) {
    writeFileSync(path, damage);
    await assert.rejects(engine.start(), (error: Error) => {
      const said = error.message
        .split('\n')
        .find((line) => line.startsWith('slipwayd: cannot start:') && line.includes('slipway.db'));
      assert.ok(said !== undefined, error.message.slice(-1_500));
      return true;
    });
  }
  truncateSync(path, 0);
  writeFileSync(path, kept);
  await engine.start();
  await mustDocker('load', '-i', await busyboxArchive());
  assert.equal(await mustDocker('run', '--rm', 'busybox', 'echo', 'works'), 'works');
});
