import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFrontendOptions } from './frontend-options.ts';

test('options are read as buildx sends them', () => {
  const options = parseFrontendOptions({
    filename: 'web.Dockerfile',
    target: 'app',
    'build-arg:A': 'b=c',
    'label:x.y': 'z',
    platform: 'linux/amd64,linux/arm64',
    'no-cache': 'one,two',
    'image-resolve-mode': 'pull',
    'context:base': 'docker-image://busybox',
    'context:src': 'local:src',
    'force-network-mode': 'none',
    'add-hosts': 'db=10.0.0.1,web=10.0.0.2',
    'shm-size': '1048576',
    ulimit: 'nofile=100:200,nproc=5',
  });
  assert.equal(options.filename, 'web.Dockerfile');
  assert.deepEqual([...options.buildArgs], [['A', 'b=c']]);
  assert.deepEqual([...options.labels], [['x.y', 'z']]);
  assert.deepEqual(
    options.platforms.map(({ architecture }) => architecture),
    ['amd64', 'arm64'],
  );
  assert.deepEqual(options.noCache, ['one', 'two']);
  assert.equal(options.pull, true);
  assert.deepEqual(options.namedContexts.get('base'), { kind: 'image', reference: 'busybox' });
  assert.deepEqual(options.namedContexts.get('src'), { kind: 'local', name: 'src', excludes: [] });
  assert.deepEqual(options.extraHosts, ['db:10.0.0.1', 'web:10.0.0.2']);
  assert.equal(options.shmSizeBytes, 1_048_576);
  assert.deepEqual(options.ulimits, [
    { name: 'nofile', soft: 100, hard: 200 },
    { name: 'nproc', soft: 5, hard: 5 },
  ]);
});

test('an empty no-cache is for every stage, none is for no stage', () => {
  assert.equal(parseFrontendOptions({ 'no-cache': '' }).noCache, true);
  assert.equal(parseFrontendOptions({}).noCache, false);
});

test('values that cannot be read are told with their name', () => {
  assert.throws(
    () => parseFrontendOptions({ 'shm-size': 'much' }),
    /shm-size: much is not a number of bytes/,
  );
  assert.throws(() => parseFrontendOptions({ ulimit: 'nofile' }), /invalid ulimit nofile/);
  assert.throws(() => parseFrontendOptions({ 'force-network-mode': 'x' }), /invalid network mode x/);
  assert.throws(() => parseFrontendOptions({ 'context:a': 'oci-layout://x' }), /build context a/);
});
