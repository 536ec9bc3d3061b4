import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { discoverRuntimes } from './discover.ts';

const NATIVE = join(import.meta.dirname, '../../../../native/without-systemd');
const LIBRARY = join(NATIVE, 'build/libsystemd.so.0');

async function discover(t: TestContext, withoutSystemd: string | undefined, args: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-discover-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const configured = { other: { path: 'crun', args } };
  return await discoverRuntimes(configured, { cachePath: join(folder, 'cache.json'), withoutSystemd });
}

test('crun is run without libsystemd, unless its arguments may ask for systemd, and others as they are', async (t) => {
  execFileSync(join(NATIVE, 'build.sh'));
  const found = await discover(t, LIBRARY, ['--systemd-cgroup']);
  const env = (name: string) => found.find((runtime) => runtime.name === name)?.env;
  assert.deepEqual(env('crun'), [`LD_PRELOAD=${LIBRARY}`]);
  assert.deepEqual(env('other'), []);
  assert.deepEqual(env('runc'), []);
});

test('crun is run with libsystemd where the stand-in does not do', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-broken-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const empty = join(folder, 'empty.so');
  writeFileSync(empty, '');
  for (const withoutSystemd of [empty, join(folder, 'absent.so'), undefined]) {
    const [crun] = (await discover(t, withoutSystemd)).filter(({ name }) => name === 'crun');
    assert.deepEqual(crun?.env, []);
    assert.match(crun?.version ?? '', /^crun version/);
  }
});
