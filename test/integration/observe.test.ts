import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { onDockerd, useEngine } from './harness/suite.ts';

const engine = await useEngine();
const mustDocker = engine.mustDocker.bind(engine);

before(async () => {
  await mustDocker(
    'run',
    '-d',
    '--name',
    'busy',
    '--memory',
    '64m',
    'busybox',
    'sh',
    '-c',
    'while :; do :; done & exec sleep 6000',
  );
});

test('stats: one shot and a table, with use, limit and network', async () => {
  const line = JSON.parse(
    await mustDocker('stats', '--no-stream', '--format', '{{json .}}', 'busy'),
  ) as Record<string, string>;
  assert.equal(line.Name, 'busy');
  assert.match(line.MemUsage ?? '', /iB \/ 64MiB$/);
  assert.ok(Number.parseFloat(line.CPUPerc ?? '') > 10, String(line.CPUPerc));
  assert.match(line.NetIO ?? '', /B \/ /);
  assert.equal(line.PIDs, '2');
});

test('stats over the API has every part that clients read', async () => {
  const { json } = await engine.api({ path: '/containers/busy/stats?stream=false' });
  const stats = json as Record<string, Record<string, unknown>>;
  for (const key of [
    'read',
    'preread',
    'pids_stats',
    'blkio_stats',
    'cpu_stats',
    'precpu_stats',
    'memory_stats',
    'networks',
    'name',
    'id',
  ]) {
    assert.ok(key in stats, key);
  }
  assert.ok(Number(stats.cpu_stats?.system_cpu_usage) > 0);
  assert.ok(stats.networks?.eth0 !== undefined);
});

test('top shows the processes of the container alone', async () => {
  const lines = (await mustDocker('top', 'busy')).split('\n');
  assert.match(lines[0] ?? '', /^UID\s+PID\s+PPID/);
  assert.equal(lines.length, 3);
  assert.match(await mustDocker('top', 'busy', '-o', 'pid,comm'), /PID\s+COMMAND\n\d+\s+s/);
});

test('inspect tells a container as docker does', async () => {
  const inspected = await engine.inspect('busy');
  assert.match(inspected.Id, /^[0-9a-f]{64}$/);
  assert.match(inspected.Created, /^\d{4}-.*Z$/);
  assert.deepEqual([inspected.Path, inspected.Args[0]], ['sh', '-c']);
  assert.match(inspected.Image, /^sha256:[0-9a-f]{64}$/);
  assert.equal(inspected.Config.Image, 'busybox');
  assert.equal(inspected.Config.Hostname, inspected.Id.slice(0, 12));
  assert.equal(inspected.HostConfig.Memory, 64 * 1024 ** 2);
  assert.ok(
    ['bridge', 'default'].includes(inspected.HostConfig.NetworkMode),
    inspected.HostConfig.NetworkMode,
  );
  assert.match(inspected.NetworkSettings.Networks.bridge.IPAddress, /^\d+\.\d+\.\d+\.\d+$/);
  assert.equal(inspected.State.Status, 'running');
  assert.ok(inspected.State.Pid > 1);
  for (const key of ['LogPath', 'Mounts', 'GraphDriver', 'RestartCount', 'Platform', 'Driver'])
    assert.ok(key in inspected, key);
  assert.deepEqual(inspected.Mounts, []);
});

test('info and version say what the engine is', async () => {
  const info = JSON.parse(await mustDocker('info', '--format', '{{json .}}')) as Record<string, unknown>;
  assert.equal(Number(info.ContainersRunning), 1);
  assert.equal(Number(info.Images), 1);
  for (const key of [
    'ID',
    'KernelVersion',
    'OperatingSystem',
    'NCPU',
    'MemTotal',
    'DefaultRuntime',
    'CgroupVersion',
    'Driver',
  ]) {
    assert.ok(info[key], key);
  }
  const version = await mustDocker('version', '--format', '{{.Server.APIVersion}} {{.Server.MinAPIVersion}}');
  assert.match(version, /^1\.\d+ 1\.\d+$/);
});

test('system df counts images, containers and volumes', async () => {
  const text = await mustDocker('system', 'df', '--format', '{{.Type}} {{.TotalCount}} {{.Active}}');
  assert.match(text, /^Images 1 1$/m);
  assert.match(text, /^Containers 1 1$/m);
  assert.match(text, /^Local Volumes 0 0$/m);
});

test('inspect names the files of /etc that a running container sees', async () => {
  const paths = async (name: string) => {
    const { ResolvConfPath, HostnamePath, HostsPath } = await engine.inspect(name);
    return [ResolvConfPath, HostnamePath, HostsPath];
  };
  const sleeper = ['busybox', 'sleep', '6000'];
  await mustDocker('create', '--name', 'etc-shared', ...sleeper);
  assert.deepEqual(await paths('etc-shared'), ['', '', '']);
  await mustDocker('start', 'etc-shared');
  await mustDocker('run', '-d', '--name', 'etc-sharing', '--network', 'container:etc-shared', ...sleeper);
  for (const network of ['bridge', 'none', 'host', 'container:etc-shared', 'container:etc-sharing']) {
    await mustDocker('run', '-d', '--name', 'etc', '--network', network, ...sleeper);
    const named = await paths('etc');
    const seen = await mustDocker('exec', 'etc', 'cat', '/etc/resolv.conf', '/etc/hostname', '/etc/hosts');
    assert.equal(
      named
        .map((path) => readFileSync(path, 'utf8'))
        .join('')
        .trim(),
      seen,
      network,
    );
    await mustDocker('stop', '-t', '0', 'etc');
    // Docker has the files until the container is removed; here they go with the run.
    if (!onDockerd) assert.deepEqual(await paths('etc'), ['', '', '']);
    await mustDocker('rm', 'etc');
  }
  await mustDocker('rm', '-f', 'etc-shared');
  if (!onDockerd) assert.deepEqual(await paths('etc-sharing'), ['', '', '']);
  await mustDocker('rm', '-f', 'etc-sharing');
});
