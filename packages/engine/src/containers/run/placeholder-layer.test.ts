import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PlaceholderLayers } from './placeholder-layer.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'slipway-placeholders-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('a layer of placeholders has what is mounted on, in an /etc as the topmost of the image', (t) => {
  const [root, top, bottom] = [folder(t), folder(t), folder(t)];
  for (const layer of [top, bottom]) mkdirSync(join(layer, 'etc'));
  writeFileSync(join(bottom, 'etc/hosts'), '127.0.0.1 localhost\n');
  chmodSync(join(top, 'etc'), 0o711);
  const layers = new PlaceholderLayers(root);
  const layer = layers.above('one', [top, bottom]);
  assert.deepEqual(readdirSync(layer, { recursive: true }).sort(), [
    ...['.dockerenv', 'etc', 'etc/hostname', 'etc/hosts', 'etc/resolv.conf'],
  ]);
  assert.equal(statSync(join(layer, 'etc')).mode & 0o7777, 0o711);
  assert.equal(statSync(join(layer, '.dockerenv')).mode & 0o777, 0o755);
  assert.equal(new PlaceholderLayers(root).above('two', [top]), layer);
});

test('an /etc that is not plain is left to the runtime', (t) => {
  const [root, linked, linkedFile, none] = [folder(t), folder(t), folder(t), folder(t)];
  symlinkSync('usr/etc', join(linked, 'etc'));
  mkdirSync(join(linkedFile, 'etc'));
  symlinkSync('../run/resolv.conf', join(linkedFile, 'etc/resolv.conf'));
  const layers = new PlaceholderLayers(root);
  for (const image of [linked, linkedFile, none]) {
    assert.deepEqual(readdirSync(layers.above(image, [image])), ['.dockerenv']);
  }
});
