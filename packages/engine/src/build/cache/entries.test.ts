import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCacheSource, parseCacheTarget, parseCacheText } from './entries.ts';

test('caches are named as buildx names them', () => {
  assert.deepEqual(parseCacheText('reg.example/app:cache'), {
    type: 'registry',
    attrs: { ref: 'reg.example/app:cache' },
  });
  assert.deepEqual(parseCacheText('type=registry,ref=reg.example/app,mode=max'), {
    type: 'registry',
    attrs: { ref: 'reg.example/app', mode: 'max' },
  });
  assert.throws(() => parseCacheText('ref=x'), { message: /says no type/ });
  assert.throws(() => parseCacheText('type=registry,max'), { message: /write it as/ });
});

test('a cache to read is a registry or a folder', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const local = parseCacheSource({ type: 'local', attrs: { src: '/x', digest } });
  assert.deepEqual(local, { type: 'local', folder: '/x', digest });
  const source = parseCacheSource({ type: 'registry', attrs: { ref: 'app' } });
  assert.equal(source.type === 'registry' && source.reference.tag, 'latest');
  assert.throws(() => parseCacheSource({ type: 'registry', attrs: {} }), { message: /needs ref=/ });
  assert.throws(() => parseCacheSource({ type: 'inline', attrs: {} }), {
    message: /type=registry,ref=IMAGE/,
  });
  assert.throws(() => parseCacheSource({ type: 's3', attrs: {} }), { code: 'NotImplemented', message: /s3/ });
});

test('a cache to write keeps to what it says, or is refused', () => {
  const target = (type: string, attrs: Record<string, string>) => parseCacheTarget({ type, attrs });
  assert.deepEqual(target('inline', { mode: 'max' }), { type: 'inline', mode: 'min', ignoresErrors: false });
  assert.deepEqual(target('local', { dest: '/x', mode: 'max', compression: 'uncompressed' }), {
    type: 'local',
    folder: '/x',
    mode: 'max',
    isPlain: true,
    asManifest: true,
    ignoresErrors: false,
  });
  const registry = target('registry', { ref: 'app:c', 'image-manifest': 'false', 'ignore-error': 'true' });
  assert.deepEqual(
    [registry.type === 'registry' && registry.asManifest, registry.ignoresErrors],
    [false, true],
  );
  assert.throws(() => target('registry', { ref: `app@sha256:${'0'.repeat(64)}` }), { message: /no digest/ });
  assert.throws(() => target('registry', { ref: 'a', compression: 'zstd' }), { code: 'NotImplemented' });
  assert.throws(() => target('registry', { ref: 'a', 'oci-mediatypes': 'false' }), {
    code: 'NotImplemented',
  });
  assert.throws(() => target('gha', {}), {
    message: /type=gha is not supported: use inline, registry or local/,
  });
});
