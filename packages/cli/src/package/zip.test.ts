import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { zipFolder } from './zip.ts';

const root = mkdtempSync(join(tmpdir(), 'slipway-zip-test-'));
after(() => rmSync(root, { recursive: true }));

const pack = async (folder: string): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(zipFolder(folder)));

function fill(name: string, order: readonly string[]): string {
  const folder = join(root, name);
  mkdirSync(join(folder, 'lib'), { recursive: true });
  for (const file of order) writeFileSync(join(folder, file), file.repeat(1000));
  writeFileSync(join(folder, 'lib/empty'), '');
  chmodSync(join(folder, 'bootstrap'), 0o700);
  symlinkSync('lib/ä.js', join(folder, 'link'));
  return folder;
}

test('unzip takes out what was put in: bytes, modes that everybody may read, links', async () => {
  const folder = fill('first', ['index.js', 'bootstrap', 'lib/ä.js']);
  const file = join(root, 'first.zip');
  writeFileSync(file, await pack(folder));
  const out = join(root, 'out');
  execFileSync('unzip', ['-q', file, '-d', out], { env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  for (const name of ['index.js', 'bootstrap', 'lib/ä.js', 'lib/empty']) {
    assert.deepEqual(readFileSync(join(out, name)), readFileSync(join(folder, name)), name);
  }
  assert.equal(statSync(join(out, 'bootstrap')).mode & 0o777, 0o755);
  assert.equal(statSync(join(out, 'index.js')).mode & 0o777, 0o644);
  assert.equal(readlinkSync(join(out, 'link')), 'lib/ä.js');
});

test('the same content makes the same bytes, whenever and in whatever order it was written', async () => {
  const names = ['index.js', 'bootstrap', 'lib/ä.js', 'lib/b.js'];
  const one = fill('one', names);
  const other = fill('other', names.toReversed());
  utimesSync(join(other, 'index.js'), 1, 1);
  assert.deepEqual(await pack(one), await pack(other));
  writeFileSync(join(other, 'index.js'), 'another');
  assert.notDeepEqual(await pack(one), await pack(other));
});
