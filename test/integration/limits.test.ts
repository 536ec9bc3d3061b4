import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();

/** Reads what the kernel was told, on cgroup v1, hybrid and v2 hosts. */
async function limitsOf(...flags: readonly string[]): Promise<Record<string, string>> {
  const script = `
    for file in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes \
      cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus pids/pids.max \
      memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max; do
      [ -e /sys/fs/cgroup/$file ] && echo "$file $(cat /sys/fs/cgroup/$file)"
    done; true`;
  const text = await engine.mustDocker('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  return Object.fromEntries(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}

test('memory, cpu and pids limits reach the kernel', async () => {
  const limits = await limitsOf(
    ...['--memory', '64m', '--cpu-shares', '512', '--cpu-quota', '30000', '--cpu-period', '60000'],
    ...['--cpuset-cpus', '0', '--pids-limit', '77', '--memory-reservation', '32m'],
  );
  if ('memory.max' in limits) {
    assert.equal(limits['memory.max'], String(64 * 1024 ** 2));
    assert.equal(limits['cpu.max'], '30000 60000');
  } else {
    assert.equal(limits['memory/memory.limit_in_bytes'], String(64 * 1024 ** 2));
    assert.equal(limits['memory/memory.soft_limit_in_bytes'], String(32 * 1024 ** 2));
    assert.equal(limits['cpu/cpu.shares'], '512');
    assert.equal(limits['cpu/cpu.cfs_quota_us'], '30000');
    assert.equal(limits['cpu/cpu.cfs_period_us'], '60000');
    assert.equal(limits['cpuset/cpuset.cpus'], '0');
    assert.equal(limits['pids/pids.max'], '77');
  }
});

test('--cpus is quota by period', async () => {
  const limits = await limitsOf('--cpus', '1.5');
  assert.equal(
    limits['cpu.max'] ?? `${limits['cpu/cpu.cfs_quota_us']} ${limits['cpu/cpu.cfs_period_us']}`,
    '150000 100000',
  );
});

test('a container that takes too much memory is killed, and inspect, events and the code say so', async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  await engine.mustDocker(
    'create',
    '--name',
    'hungry',
    '--memory',
    '24m',
    '--memory-swap',
    '24m',
    'busybox',
    'sh',
    '-c',
    'exec tail /dev/zero',
  );
  const run = await engine.docker('start', '-a', 'hungry');
  assert.equal(run.code, 137);
  const { State } = await engine.inspect('hungry');
  assert.deepEqual([State.OOMKilled, State.ExitCode, State.Status], [true, 137, 'exited']);
  const events = await engine.mustDocker(
    ...[
      'events',
      '--since',
      String(since),
      '--until',
      String(Math.ceil(Date.now() / 1000) + 1),
      '--filter',
      'container=hungry',
    ],
    ...['--format', '{{.Action}}'],
  );
  assert.match(events, /^oom$/m);
  await engine.mustDocker('rm', 'hungry');
});

test('too many processes are refused inside, not outside', async () => {
  const result = await engine.docker(
    'run',
    '--rm',
    '--pids-limit',
    '5',
    'busybox',
    'sh',
    '-c',
    'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait',
  );
  assert.match(result.stderr, /can't fork|Resource temporarily unavailable/);
});

test('limits can be changed while the container runs', async () => {
  await engine.mustDocker('run', '-d', '--name', 'changed', '--memory', '64m', 'busybox', 'sleep', '600');
  await engine.mustDocker(
    'update',
    '--memory',
    '48m',
    '--memory-swap',
    '96m',
    '--cpu-shares',
    '256',
    'changed',
  );
  const script =
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
  assert.equal(await engine.mustDocker('exec', 'changed', 'sh', '-c', script), String(48 * 1024 ** 2));
  assert.equal((await engine.inspect('changed')).HostConfig.Memory, 48 * 1024 ** 2);
  await engine.mustDocker('rm', '-f', 'changed');
});

test('an rlimit above what the host grants is clamped, and the container runs', {
  skip: onDockerd,
}, async () => {
  const result = await engine.docker(
    'run',
    '--rm',
    '--ulimit',
    'nofile=1048576:1048576',
    'busybox',
    'sh',
    '-c',
    'ulimit -n',
  );
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.text, /^\d+$/);
});

test('limits that make no sense are refused with 125 and docker words', async () => {
  const tooSmall = await engine.docker('run', '--rm', '--memory', '1m', 'busybox', 'true');
  assert.equal(tooSmall.code, 125);
  assert.match(tooSmall.stderr, /Minimum memory limit allowed is 6MB/);
  const swap = await engine.docker(
    'run',
    '--rm',
    '--memory',
    '64m',
    '--memory-swap',
    '32m',
    'busybox',
    'true',
  );
  assert.match(swap.stderr, /Minimum memoryswap limit should be larger than memory limit/);
});
