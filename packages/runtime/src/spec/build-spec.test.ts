import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildSpec } from './build-spec.ts';
import { allCapabilities } from './capabilities.ts';
import { deviceNumbers, localHost, type SpecHost } from './host.ts';
import { minimalOptions } from './minimal.ts';
import type { SpecOptions } from './options.ts';

const host: SpecHost = {
  cgroups: {
    version: 1,
    hierarchies: ['/sys/fs/cgroup/memory'],
    controllers: new Set(['memory', 'cpu', 'pids', 'devices']),
    swapLimit: true,
    blockWeight: true,
  },
  architecture: 'amd64',
  kernel: '6.1.0',
  capabilities: new Set(allCapabilities.filter((name) => name !== 'CAP_SYS_RESOURCE')),
  hardLimit: (name) => (name === 'RLIMIT_NOFILE' ? 20_000 : undefined),
  devices: (path) => [{ type: 'c', path, major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }],
};

function build(given: Partial<SpecOptions> = {}, on: SpecHost = host) {
  const warnings: string[] = [];
  const options = minimalOptions({
    id: 'abc',
    rootfsPath: '/r',
    args: ['x'],
    cgroupsPath: '/slipway/abc',
    ...given,
  });
  return { spec: buildSpec(options, { host: on, warn: (message) => warnings.push(message) }), warnings };
}

type Rule = { names: string[]; action: string; errnoRet?: number };
const rules = (given: Partial<SpecOptions> = {}) =>
  (build(given).spec.linux.seccomp as { syscalls: Rule[] } | undefined)?.syscalls;

describe('the specification of a container', () => {
  test("has Docker's fourteen capabilities, and none inheritable", () => {
    const { capabilities } = build().spec.process;
    assert.equal(capabilities?.bounding.length, 14);
    assert.deepEqual([capabilities?.inheritable, capabilities?.ambient], [[], []]);
    assert.ok(!capabilities?.bounding.includes('CAP_SYS_ADMIN'));
  });

  test('gives a user other than root no effective capabilities', () => {
    const { capabilities } = build({ user: { uid: 5, gid: 5, additionalGids: [] } }).spec.process;
    assert.deepEqual([capabilities?.effective, capabilities?.bounding.length], [[], 14]);
  });

  test('adds and drops capabilities as docker does', () => {
    const bounding = (given: Partial<SpecOptions>) => build(given).spec.process.capabilities?.bounding;
    assert.deepEqual(bounding({ capDrop: ['ALL'], capAdd: ['net_admin'] }), ['CAP_NET_ADMIN']);
    assert.equal(bounding({ capAdd: ['ALL'], capDrop: ['CAP_MKNOD'] })?.includes('CAP_MKNOD'), false);
    assert.equal(bounding({ privileged: true })?.length, allCapabilities.length - 1);
    assert.throws(() => build({ capAdd: ['FLY'] }), { code: 'InvalidArgument' });
    assert.equal(build({ capAdd: ['SYS_RESOURCE'] }).warnings.length, 1);
  });

  test('leaves out what was not asked for or the kernel has not: shared memory, weights of block I/O', () => {
    const shm = (given: Partial<SpecOptions>) =>
      build(given).spec.mounts.filter(({ destination }) => destination === '/dev/shm').length;
    assert.deepEqual([shm({}), shm({ shmSizeBytes: 'none' })], [1, 0]);
    const cgroups = { ...host.cgroups, controllers: new Set(['blkio']), blockWeight: false };
    const { spec, warnings } = build({ resources: { blkioWeight: 300 } }, { ...host, cgroups });
    assert.equal(spec.linux.resources.blockIO, undefined);
    assert.equal(warnings.length, 1);
  });

  test('clamps limits that the host does not allow, and says so', () => {
    const { spec, warnings } = build({ ulimits: [{ name: 'nofile', soft: 1_000_000, hard: 1_000_000 }] });
    assert.deepEqual(spec.process.rlimits, [{ type: 'RLIMIT_NOFILE', soft: 20_000, hard: 20_000 }]);
    assert.equal(warnings.length, 1);
  });

  test('leaves out limits whose controller is missing, and says so', () => {
    const { spec, warnings } = build({ resources: { blkioWeight: 300, memoryBytes: 1 << 20, pidsLimit: 5 } });
    assert.equal(spec.linux.resources.blockIO, undefined);
    assert.deepEqual(spec.linux.resources.memory, { limit: 1 << 20, swap: 2 << 20 });
    assert.deepEqual(spec.linux.resources.pids, { limit: 5 });
    assert.match(warnings[0] ?? '', /blkio/);
  });

  test('masks and protects paths, unless privileged', () => {
    assert.ok(build().spec.linux.maskedPaths?.includes('/proc/kcore'));
    const { linux, mounts } = build({ privileged: true }).spec;
    assert.deepEqual(
      [linux.maskedPaths, linux.readonlyPaths, linux.seccomp],
      [undefined, undefined, undefined],
    );
    assert.ok(mounts.find(({ destination }) => destination === '/sys')?.options.includes('rw'));
    assert.deepEqual(linux.resources.devices, [{ allow: true, access: 'rwm' }]);
  });

  test('a mount at the place of a default one replaces it, and parents come before children', () => {
    const bind = (destination: string) => ({ destination, type: 'bind', source: '/x', options: ['rbind'] });
    const { mounts } = build({ mounts: [bind('/a/b'), bind('/dev/shm'), bind('/a')] }).spec;
    const places = mounts.map(({ destination }) => destination);
    assert.equal(places.filter((place) => place === '/dev/shm').length, 1);
    assert.ok(places.indexOf('/a') < places.indexOf('/a/b'));
  });

  test('gives a device with its rule', () => {
    const devices = [{ hostPath: '/dev/fuse', containerPath: '/dev/f', permissions: 'rw' }];
    const { devices: nodes, resources } = build({ devices }).spec.linux;
    assert.equal(nodes?.[0]?.path, '/dev/f');
    assert.deepEqual(resources.devices?.at(-1), {
      allow: true,
      type: 'c',
      major: 10,
      minor: 229,
      access: 'rw',
    });
  });

  test("Docker's seccomp profile follows the capabilities", () => {
    const allows = (given: Partial<SpecOptions>, name: string) =>
      rules(given)?.some(({ names, action }) => action === 'SCMP_ACT_ALLOW' && names.includes(name));
    assert.equal(allows({}, 'mount'), false);
    assert.equal(allows({ capAdd: ['SYS_ADMIN'] }, 'mount'), true);
    assert.equal(allows({}, 'keyctl'), false);
    assert.equal(rules()?.find(({ names }) => names[0] === 'clone3')?.errnoRet, 38);
    assert.equal(rules({ seccomp: 'unconfined' }), undefined);
  });

  test("a profile of one's own is used, its conditions decided", () => {
    const profile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        { name: 'chmod', action: 'SCMP_ACT_ERRNO', args: [] },
        { names: ['a'], action: 'SCMP_ACT_ERRNO', includes: { arches: ['arm64'] } },
        { names: ['b'], action: 'SCMP_ACT_ERRNO', includes: { minKernel: '6.0' } },
        { names: ['c'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_CHOWN'] } },
      ],
    };
    assert.deepEqual(rules({ seccomp: { profile } }), [
      { names: ['chmod'], action: 'SCMP_ACT_ERRNO' },
      { names: ['b'], action: 'SCMP_ACT_ERRNO' },
    ]);
    assert.throws(() => build({ seccomp: { profile: {} } }), { code: 'InvalidArgument' });
  });

  test('this host can be looked at, and device numbers unpacked', () => {
    assert.deepEqual(localHost().devices('/dev/null')[0]?.major, 1);
    assert.deepEqual(deviceNumbers(0x12345678n), { major: 0x456, minor: 0x12378 });
    assert.throws(() => localHost().devices('/dev/nope'), { code: 'InvalidArgument' });
  });
});
