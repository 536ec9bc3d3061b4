import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { assertEmpty, openImages } from './testing.ts';

/** A folder of programs in which `mmdebstrap` is this shell script. */
async function openWithTool(t: TestContext, script?: string) {
  const tools = await mkdtemp(join(tmpdir(), 'slipway-img2-'));
  t.after(() => rm(tools, { recursive: true }));
  if (script !== undefined) {
    writeFileSync(join(tools, 'mmdebstrap'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const toolPath = script === undefined ? tools : `${tools}:/usr/bin:/bin`;
  return { ...(await openImages(t, { toolPath })), tools };
}

const never = new AbortController().signal;

const hasEnded = (pid: string): boolean => {
  try {
    return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
};

test('a suite that the mirror does not have, or that is no name, is said to be unknown', async (t) => {
  // The words of apt, as mmdebstrap passes them on.
  const { root, store, images, scratchRoot } = await openWithTool(
    t,
    `echo "E: The repository 'http://mirror/debian nosuch Release' does not have a Release file." >&2
     echo "E: mmdebstrap failed to run" >&2
     exit 1`,
  );
  const make = (image: string) => Array.fromAsync(images.bootstrap({ image, name: '', signal: never }));
  await assert.rejects(make('debian:nosuch'), {
    code: 'InvalidArgument',
    message: /no suite "nosuch": use /,
  });
  await assert.rejects(make('debian:1.2'), { code: 'InvalidArgument', message: /"1.2" is not a suite/ });
  assert.deepEqual(readdirSync(scratchRoot), []);
  await assertEmpty(root, store);
});

test('a failure of mmdebstrap is told with its last words', async (t) => {
  const { root, store, images, scratchRoot } = await openWithTool(
    t,
    `mkdir "$TMPDIR/chroot"; head -c 3000000 /dev/zero; echo 'E: dpkg was not pleased' >&2; exit 25`,
  );
  await assert.rejects(Array.fromAsync(images.bootstrap({ image: 'debian:sid', name: '', signal: never })), {
    message: /dpkg was not pleased/,
  });
  assert.deepEqual(readdirSync(scratchRoot), []);
  await assertEmpty(root, store);
});

test('without mmdebstrap the error names the package to install', async (t) => {
  const { images } = await openWithTool(t);
  await assert.rejects(Array.fromAsync(images.bootstrap({ image: 'debian', name: '', signal: never })), {
    code: 'FailedPrecondition',
    message: /mmdebstrap is not installed.*apt-get install mmdebstrap/,
  });
});

for (const [what, last] of [
  ['', 'wait'],
  [' and its leader has gone', 'exit 0'],
  [' and it writes', 'cat /dev/zero'],
] as const) {
  test(`a bootstrap that is canceled while mmdebstrap runs${what} leaves no process and no scratch`, async (t) => {
    const { root, store, images, scratchRoot, tools } = await openWithTool(
      t,
      `mkdir "$TMPDIR/chroot"
       sleep 1000 &
       echo "$$ $!" > "$0.pids"
       echo 'I: running' >&2
       ${last}`,
    );
    const stop = new AbortController();
    const work = (async () => {
      for await (const { status } of images.bootstrap({
        image: 'debian:sid',
        name: '',
        signal: stop.signal,
      })) {
        if (status === 'running') setImmediate(() => stop.abort(new Error('canceled')));
      }
    })();
    await assert.rejects(work);
    const pids = readFileSync(join(tools, 'mmdebstrap.pids'), 'utf8').trim().split(' ');
    assert.deepEqual(pids.map(hasEnded), [true, true]);
    assert.deepEqual(readdirSync(scratchRoot), []);
    await assertEmpty(root, store);
  });
}

test('a bootstrap whose reader goes away ends, and leaves nothing', async (t) => {
  const { root, store, images, scratchRoot, tools } = await openWithTool(
    t,
    'echo $$ > "$0.pids"; echo "I: running" >&2; exec sleep 1000',
  );
  for await (const { status } of images.bootstrap({ image: 'debian:sid', name: '', signal: never })) {
    if (status === 'running') break;
  }
  assert.ok(hasEnded(readFileSync(join(tools, 'mmdebstrap.pids'), 'utf8').trim()));
  assert.deepEqual(readdirSync(scratchRoot), []);
  await assertEmpty(root, store);
});

test('what a bootstrap that died left in the scratch room is gone after the next start', async (t) => {
  const { images, scratchRoot } = await openImages(t);
  mkdirSync(join(scratchRoot, 'debian-x/chroot/etc'), { recursive: true });
  writeFileSync(join(scratchRoot, 'debian-x/chroot/etc/motd'), 'left');
  await images.recover();
  assert.equal(existsSync(join(scratchRoot, 'debian-x')), false);
});
