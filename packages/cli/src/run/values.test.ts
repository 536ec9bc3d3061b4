import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatSize } from '../format/units.ts';
import { parseMount, parseVolumes } from './mounts.ts';
import { parsePorts } from './ports.ts';
import { parseBytes, parseDevice, parseDurationNs, parseEnv, parseRestart } from './values.ts';

test('sizes and durations are read and shown as docker does', () => {
  assert.deepEqual(
    ['512m', '1.5g', '100', '1kb', '2KiB', '-1'].map(parseBytes),
    [536870912, 1610612736, 100, 1024, 2048, -1],
  );
  assert.deepEqual(['1m30s', '500ms', '0'].map(parseDurationNs), [90e9, 5e8, 0]);
  assert.deepEqual(
    [0, 999, 1234, 1_980_000].map((bytes) => formatSize(bytes)),
    ['0B', '999B', '1.23kB', '1.98MB'],
  );
});

test('published ports are read in every form', () => {
  const bindings = (value: string) => parsePorts([value], []).PortBindings;
  assert.deepEqual(bindings('8080:80'), { '80/tcp': [{ HostIp: '', HostPort: '8080' }] });
  assert.deepEqual(bindings('80'), { '80/tcp': [{ HostIp: '', HostPort: '' }] });
  assert.deepEqual(bindings('127.0.0.1::53/udp'), { '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }] });
  assert.deepEqual(bindings('[::1]:81:80'), { '80/tcp': [{ HostIp: '::1', HostPort: '81' }] });
  assert.deepEqual(Object.keys(bindings('8000-8001:80-81')), ['80/tcp', '81/tcp']);
  assert.deepEqual(bindings('8000-8009:80'), { '80/tcp': [{ HostIp: '', HostPort: '8000-8009' }] });
  for (const bad of ['', 'x', '1:2:3:4:5', '0:0', '80/x', '1-3:1-2'])
    assert.throws(() => bindings(bad), /invalid port/);
});

test('mounts and volumes are read in both forms', () => {
  assert.deepEqual(parseVolumes(['/a:/b:ro', 'data:/d', '/anon']), {
    Binds: ['/a:/b:ro', 'data:/d'],
    Volumes: { '/anon': {} },
  });
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,readonly'), {
    Type: 'bind',
    Source: '/a',
    Target: '/b',
    ReadOnly: true,
  });
  assert.throws(() => parseMount('type=bind,dst=/b'), /needs source=/);
});

test('a variable without a value comes from the environment or is left out', () => {
  assert.deepEqual(parseEnv(['A=1', 'HOME', 'NONE'], { HOME: '/root' }), ['A=1', 'HOME=/root']);
});

test('devices and restart policies are read', () => {
  assert.deepEqual(parseDevice('/dev/a:r'), {
    PathOnHost: '/dev/a',
    PathInContainer: '/dev/a',
    CgroupPermissions: 'r',
  });
  assert.deepEqual(parseRestart('on-failure:5'), { Name: 'on-failure', MaximumRetryCount: 5 });
  assert.throws(() => parseRestart('always:5'), /invalid restart policy/);
});

test('any text is read or refused with an InvalidArgument', () => {
  for (const parse of [
    (t: string) => parsePorts([t], [t]),
    (t: string) => parseVolumes([t]),
    parseMount,
    parseBytes,
    parseDevice,
  ]) {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'InvalidArgument', String(error));
        }
      }),
    );
  }
});
