import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOfHost, fullName, hostOfAddress, registryOf } from './name.ts';

test('a name says its registry only by a host with a dot, a port or localhost', () => {
  const cases: readonly (readonly [name: string, registry: string, full: string])[] = [
    ['busybox', 'docker.io', 'docker.io/library/busybox:latest'],
    ['ada/app:1', 'docker.io', 'docker.io/ada/app:1'],
    ['docker.io/ada/app', 'docker.io', 'docker.io/ada/app:latest'],
    ['index.docker.io/busybox', 'docker.io', 'docker.io/library/busybox:latest'],
    ['localhost/app', 'localhost', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000', 'localhost:5000/app:latest'],
    ['ghcr.io/a/b@sha256:00', 'ghcr.io', 'ghcr.io/a/b@sha256:00'],
    ['[::1]:5000/app:2', '[::1]:5000', '[::1]:5000/app:2'],
  ];
  for (const [name, registry, full] of cases) {
    assert.deepEqual([registryOf(name), fullName(name)], [registry, full], name);
  }
});

test('an address that a login was kept under leads to its host, and Docker Hub’s to docker.io', () => {
  for (const address of ['', 'docker.io', 'index.docker.io', 'https://index.docker.io/v1/']) {
    assert.equal(hostOfAddress(address), 'docker.io', address);
  }
  assert.equal(hostOfAddress('http://localhost:5000/v2/'), 'localhost:5000');
  assert.equal(hostOfAddress(addressOfHost('docker.io')), 'docker.io');
  assert.equal(addressOfHost('ghcr.io'), 'ghcr.io');
});
