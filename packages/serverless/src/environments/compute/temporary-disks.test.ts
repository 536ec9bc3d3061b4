import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hostPath, silentLogger } from '@slipway/base';
import { VirtualClock } from '@slipway/base/testing';
import { invocation, openFunctionsBench } from '../testing-engine.ts';
import { TemporaryDisks } from './temporary-disks.ts';

const signal = new AbortController().signal;

const SHIM = new URL('../../../../../native/shim/build/slipway-shim', import.meta.url).pathname;
const TMP_SOURCE = `exports.handler = async () => {
  const { type, blocks, bsize } = require('fs').statfsSync('/tmp'); return { type, bytes: blocks * bsize }; };`;

/** The shim, as long as no file beside it has the name of a disk that fails. */
function failingDisks(t: TestContext) {
  const folder = mkdtempSync('/tmp/slipway-disks-');
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'shim');
  const script = `#!/bin/sh\n[ ! -e "${folder}/$(basename "$2")" ] && [ ! -e ${folder}/all ] && exec ${SHIM} "$@"\nexit 1\n`;
  writeFileSync(program, script, { mode: 0o755 });
  const nameOf = (size: number | 'all') => join(folder, size === 'all' ? size : `${size}.ext4.new`);
  return {
    folder,
    program,
    fail: (size: number | 'all') => writeFileSync(nameOf(size), ''),
    mend: (size: number | 'all') => rmSync(nameOf(size)),
  };
}

function openDisks(t: TestContext) {
  const failing = failingDisks(t);
  const root = hostPath(join(failing.folder, 'disks'));
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  const clock = new VirtualClock();
  const disks = new TemporaryDisks({ root, shimPath: hostPath(failing.program), clock, logger });
  return { ...failing, root, warnings, clock, disks };
}

test('a disk of one size that cannot be made is none of the others, and is tried again', async (t) => {
  const { disks, clock, warnings, root, fail, mend } = openDisks(t);
  assert.ok(existsSync((await disks.template(512)) ?? ''));
  fail(700);
  assert.deepEqual(await Promise.all([disks.template(700), disks.template(700)]), [undefined, undefined]);
  assert.deepEqual(
    warnings.map((fields) => 'sizeMb' in fields && fields.sizeMb),
    [700],
  );
  assert.deepEqual(readdirSync(root), ['512.ext4']);
  assert.ok((await disks.template(600)) !== undefined);
  mend(700);
  assert.equal(await disks.template(700), undefined);
  await clock.advance(60_000);
  assert.ok(existsSync((await disks.template(700)) ?? ''));
});

test('a first disk that cannot be made is tried again too, of whatever size', async (t) => {
  const { disks, clock, warnings, fail, mend } = openDisks(t);
  fail('all');
  assert.equal(await disks.template(512), undefined);
  mend('all');
  assert.equal(await disks.template(600), undefined);
  await clock.advance(60_000);
  assert.ok(existsSync((await disks.template(600)) ?? ''));
  assert.ok(existsSync((await disks.template(512)) ?? ''));
  assert.equal(warnings.length, 1);
});

test('a function whose disk cannot be made runs all the same, though one was prepared with another', async (t) => {
  const { program, fail } = failingDisks(t);
  await using bench = await openFunctionsBench('failing-disk', ['nodejs22.x'], { diskProgram: program });
  bench.environments.setPrepared('nodejs22.x', 1);
  while (bench.environments.preparedCount('nodejs22.x') === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  fail(700);
  const version = bench.define({ 'index.js': TMP_SOURCE }, { ephemeralStorageMb: 700 });
  await using environment = await bench.environments.open(version, { initialization: 'on-demand', signal });
  const { payload } = await environment.invoke(invocation({}), { signal });
  const { type, bytes } = JSON.parse(Buffer.from(payload).toString());
  assert.deepEqual([type, bytes], [0x01021994, 700 * 1024 * 1024]);
});

test('where no disk can be mounted, /tmp is in memory, of the size asked for, and the log says so once', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warnings.push(message) };
  await using bench = await openFunctionsBench('no-disks', ['nodejs22.x'], {
    logger,
    diskProgram: '/bin/false',
  });
  bench.environments.setPrepared('nodejs22.x', 1);
  while (bench.environments.preparedCount('nodejs22.x') === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const ephemeralStorageMb of [600, 700]) {
    const version = bench.define({ 'index.js': TMP_SOURCE }, { runtime: 'nodejs22.x', ephemeralStorageMb });
    await using environment = await bench.environments.open(version, { initialization: 'on-demand', signal });
    const { payload } = await environment.invoke(invocation({}), { signal });
    assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), {
      type: 0x01021994,
      bytes: ephemeralStorageMb * 1024 * 1024,
    });
  }
  assert.equal(warnings.filter((message) => message.includes('/tmp')).length, 1);
});
