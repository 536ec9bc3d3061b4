import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type HostFacts,
  mergeConfig,
  parseSize,
  validateConfig,
  validateHostConfig,
  withHostDefaults,
} from './config.ts';

const facts: HostFacts = {
  cpus: 2,
  cgroupVersion: 1,
  runtimes: new Set(['crun', 'runc']),
  defaultRuntime: 'crun',
};
const image = {
  Entrypoint: ['/entry'],
  Cmd: ['serve'],
  Env: ['A=1', 'B=2'],
  WorkingDir: '/app',
  User: 'app',
};

test('the image gives command, entrypoint, user and folder when the request names none', () => {
  const merged = mergeConfig({}, image);
  assert.deepEqual(
    [merged.Entrypoint, merged.Cmd, merged.User, merged.WorkingDir],
    [['/entry'], ['serve'], 'app', '/app'],
  );
});

test('a command of one’s own keeps the image’s entrypoint; an entrypoint of one’s own drops the image’s command', () => {
  const command = mergeConfig({ Cmd: ['ls'] }, image);
  assert.deepEqual([command.Entrypoint, command.Cmd], [['/entry'], ['ls']]);
  const entrypoint = mergeConfig({ Entrypoint: ['sh'] }, image);
  assert.deepEqual([entrypoint.Entrypoint, entrypoint.Cmd], [['sh'], undefined]);
});

test('an empty entrypoint means none', () => {
  const merged = mergeConfig({ Entrypoint: [''], Cmd: ['ls'] }, image);
  assert.deepEqual([merged.Entrypoint, merged.Cmd], [undefined, ['ls']]);
});

test('the request’s variables win over the image’s', () => {
  assert.deepEqual(mergeConfig({ Env: ['B=9', 'C=3'] }, image).Env, ['B=9', 'C=3', 'A=1']);
});

test('a health check fills in from the image what it leaves out', () => {
  const merged = mergeConfig(
    { Healthcheck: { Interval: 5 } },
    { ...image, Healthcheck: { Test: ['CMD', 'x'], Retries: 4 } },
  );
  assert.deepEqual(merged.Healthcheck?.Test, ['CMD', 'x']);
  assert.equal(merged.Healthcheck?.Interval, 5);
  assert.equal(merged.Healthcheck?.Retries, 4);
});

test('memory brings as much swap again, unless told otherwise', () => {
  assert.equal(withHostDefaults({ Memory: 64 << 20 }, facts).MemorySwap, 128 << 20);
  assert.equal(withHostDefaults({ Memory: 64 << 20, MemorySwap: -1 }, facts).MemorySwap, -1);
});

const refusals: [string, Parameters<typeof withHostDefaults>[0], RegExp][] = [
  ['too little memory', { Memory: 1024 }, /Minimum memory limit allowed is 6MB/],
  ['less swap than memory', { Memory: 64 << 20, MemorySwap: 32 << 20 }, /memoryswap limit should be larger/],
  ['swap without memory', { MemorySwap: 32 << 20 }, /always set the Memory limit/],
  ['more processors than there are', { NanoCpus: 3e9 }, /range of CPUs is from 0.01 to 2.00/],
  ['a processor that is not there', { CpusetCpus: '0-5' }, /requested 0-5, available: 0-1/],
  ['an unknown restart policy', { RestartPolicy: { Name: 'sometimes' } }, /unknown policy 'sometimes'/],
  [
    '--rm with a restart policy',
    { AutoRemove: true, RestartPolicy: { Name: 'always' } },
    /can't create 'AutoRemove'/,
  ],
  ['an unknown runtime', { Runtime: 'kata' }, /unknown or invalid runtime name: kata/],
  ['an unknown log driver', { LogConfig: { Type: 'syslog' } }, /no log driver named 'syslog'/],
  ['a sysctl of the whole host', { Sysctls: { 'vm.swappiness': '1' } }, /'vm.swappiness' is not allowed/],
  [
    'ports of another container’s network',
    { NetworkMode: 'container:x', PortBindings: { '80/tcp': [] } },
    /port publishing/,
  ],
  ['a user namespace, which nothing maps here', { UsernsMode: 'private' }, /invalid userns mode: private/],
  ['an unknown IPC mode', { IpcMode: 'loose' }, /invalid IPC mode: loose/],
];
for (const [what, host, message] of refusals) {
  test(`refuses ${what}`, () => {
    assert.throws(() => validateHostConfig(withHostDefaults(host, facts), {}, facts), message);
  });
}

test('refuses a host name for who shares the one of the host', () => {
  const host = withHostDefaults({ UTSMode: 'host' }, facts);
  assert.throws(() => validateHostConfig(host, { Hostname: 'own' }, facts), /hostname and the UTS mode/);
});

test('refuses a relative working directory and a signal that is none', () => {
  assert.throws(
    () => validateConfig({ WorkingDir: 'app' }),
    /'app' is invalid, it needs to be an absolute path/,
  );
  assert.throws(() => validateConfig({ StopSignal: 'SIGHELLO' }), /invalid signal: SIGHELLO/);
});

test('sizes are read with docker’s units', () => {
  assert.deepEqual(['10m', '1g', '512', '4kb'].map(parseSize), [10 << 20, 1 << 30, 512, 4096]);
  assert.throws(() => parseSize('many'), /invalid size/);
});
