import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { parseBind, parseMount } from './mounts.ts';

test('a path is a bind whose source is made; a name is a volume that is filled', () => {
  const bind = parseBind('/srv/data:/data:ro', undefined);
  assert.deepEqual(
    [bind.type, bind.source, bind.destination, bind.readWrite, bind.createSource],
    ['bind', '/srv/data', '/data', false, true],
  );
  const volume = parseBind('data:/data', undefined);
  assert.deepEqual([volume.type, volume.name, volume.copyUp], ['volume', 'data', true]);
  assert.equal(parseBind('data:/data:nocopy', undefined).copyUp, false);
});

test('a lone path is an anonymous volume', () => {
  const mount = parseBind('/data', undefined);
  assert.deepEqual([mount.type, mount.name, mount.destination], ['volume', '', '/data']);
});

test('bad binds are refused in docker’s words', () => {
  assert.throws(() => parseBind('a:b:c:d', undefined), /invalid volume specification: 'a:b:c:d'/);
  assert.throws(() => parseBind('/a:b', undefined), /'b' mount path must be absolute/);
  assert.throws(() => parseBind('/a:/b:rx', undefined), /invalid mode: rx/);
  assert.throws(
    () => parseBind('./a:/b', undefined),
    /If you intended to pass a host directory, use absolute path/,
  );
  assert.throws(() => parseBind('/a:/', undefined), /destination can't be '\/'/);
});

test('a bind of --mount needs its source, and says so', () => {
  assert.throws(
    () => parseMount({ Type: 'bind', Source: '/no/such/folder', Target: '/x' }),
    /invalid mount config for type "bind": bind source path does not exist: \/no\/such\/folder/,
  );
});

test('a subpath that leaves its volume is refused', () => {
  const mount = (Subpath: string) =>
    parseMount({ Type: 'volume', Source: 'v', Target: '/x', VolumeOptions: { Subpath } }).subpath;
  assert.deepEqual(['a/b', 'a/../b', '..a'].map(mount), ['a/b', 'a/../b', '..a']);
  for (const path of ['..', '../x', 'a/../../x', '/etc']) {
    assert.throws(() => mount(path), /subpath must be a relative path within the volume/);
  }
});

test('a tmpfs takes its size and mode', () => {
  const mount = parseMount({ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 } });
  assert.deepEqual(mount.tmpfsOptions, ['size=1024', 'mode=1777']);
});

test('no bind text breaks the parser', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      try {
        assert.ok(parseBind(text, undefined).destination.startsWith('/'));
      } catch (error) {
        assert.ok(isSlipwayError(error, 'InvalidArgument'));
      }
    }),
  );
});
