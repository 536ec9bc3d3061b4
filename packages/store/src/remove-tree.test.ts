import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { removeTree } from './remove-tree.ts';

const folder = () => mkdtempSync(join(tmpdir(), 'slipway-remove-'));

it('a few small files go before anybody else has a turn, and what links lead to stays', async () => {
  const [path, other] = [folder(), folder()];
  mkdirSync(join(path, 'etc'));
  writeFileSync(join(path, 'etc/hosts'), '');
  symlinkSync(other, join(path, 'link'));
  const removed = removeTree(path);
  assert.equal(existsSync(path), false);
  await removed;
  assert.equal(existsSync(other), true);
  await removeTree(other);
});

it('many files and large ones go too, and a folder that is not there is none to remove', async () => {
  const path = folder();
  for (let file = 0; file < 100; file++) writeFileSync(join(path, `file-${file}`), '');
  await removeTree(path);
  assert.equal(existsSync(path), false);
  mkdirSync(path);
  writeFileSync(join(path, 'large'), Buffer.alloc(1 << 20));
  await removeTree(path);
  assert.equal(existsSync(path), false);
  await removeTree(path);
});
